// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A participant of a double barrier, as read from its key: a value such as `3 inside 17` has the size of the barrier, the
/// phase, and the round, which is the create revision of the round's first key.
struct BarrierMember: Hashable {
    enum Phase: String {
        /// It has come, and waits for the others to come.
        case waiting
        /// All of its round have come.
        case inside
        /// It has done its part, and waits for the others to do theirs.
        case leaving
        /// All of its round have done their parts.
        case left
    }

    let key: Key
    let createRevision: Revision
    let modRevision: Revision
    let lease: Lease.ID?
    let count: Int
    let phase: Phase
    let round: Revision

    /// - Throws: `invalidArgument` for a value that no participant writes.
    init(_ entry: KeyValue) throws(EtcdError) {
        let words = (entry.value.string ?? "").split(separator: " ")
        guard words.count == 3, let count = Int(words[0]), let phase = Phase(rawValue: String(words[1])),
            let round = Int64(words[2])
        else {
            throw EtcdError(
                .invalidArgument,
                "\(entry.key) has a value that no participant of a double barrier writes: \"\(entry.value)\""
            )
        }
        key = entry.key
        createRevision = entry.createRevision
        modRevision = entry.modRevision
        lease = entry.lease
        self.count = count
        self.phase = phase
        self.round = Revision(rawValue: round)
    }

    static func value(_ count: Int, _ phase: Phase, _ round: Revision = 0) -> Value {
        Value("\(count) \(phase.rawValue) \(round)")
    }
}

/// The next step of a participant of a double barrier, given all of them at one revision: a value without I/O.
enum BarrierStep: Equatable {
    /// The participant is in the phase that it wants.
    case arrived
    /// Others have to act first.
    case wait
    /// Put all these into the next phase, in one transaction, unless one of them has changed.
    case advance([BarrierMember], to: BarrierMember.Phase, round: Revision)
    /// One of the round is gone before all were done.
    case broken

    /// The step of the participant of `key`; nil if its key is not there.
    ///
    /// Each phase ends with one transaction over the keys of all, by the last one that has come, or that is done.
    init?(for key: Key, among members: [BarrierMember], until goal: BarrierMember.Phase) {
        guard let own = members.first(where: { $0.key == key }) else { return nil }
        if own.phase == goal || own.phase == .left {
            self = .arrived
        } else if own.phase == .waiting {
            let group = members.filter { $0.phase == .waiting }
                .sorted { $0.createRevision < $1.createRevision }
                .prefix(own.count)
            guard group.count == own.count, group.last == own, let first = group.first else {
                self = .wait
                return
            }
            self = .advance(Array(group), to: .inside, round: first.createRevision)
        } else {
            let group = members.filter { $0.phase != .waiting && $0.round == own.round }
            if group.count < own.count {
                self = .broken
            } else if group.allSatisfy({ $0.phase == .leaving && $0.modRevision <= own.modRevision }) {
                self = .advance(group, to: .left, round: own.round)
            } else {
                self = .wait
            }
        }
    }
}
