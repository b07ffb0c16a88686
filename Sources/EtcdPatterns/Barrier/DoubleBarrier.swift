// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A barrier that a number of tasks enter together and leave together, in the whole cluster.
///
/// ```swift
/// let barrier = try DoubleBarrier("batch", count: 3, on: .session(session))
/// try await barrier.withBarrier { _ in try await work() }
/// ```
///
/// No task enters before a whole round has come, and no task leaves before all of the round are done. A task that
/// crashes while it waits to enter is not counted; the others wait for another. A task that crashes inside, or gives
/// up, breaks the round: participants that leave get ``BarrierBroken``.
///
/// A task that comes when a round is complete belongs to the next round, which is independent of the one before; so a name
/// can be used again and again. Each participant has a key `<name>/shared-<lease>-<nonce>`, whose value is its phase.
public struct DoubleBarrier: Sendable {
    /// The number of participants in a round.
    public let count: Int
    private let queue: NamedQueue

    /// The name: all barriers of one name are the same.
    public var name: String { queue.name }

    /// Describes a barrier.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - count: The number of participants in a round, from 1 to 128; the same for all.
    ///   - source: The session of each participation. Its time to live is the time after which the others learn that the
    ///     process of a participant has died.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, count: Int, on source: SessionSource) throws(EtcdError) {
        queue = try NamedQueue(name, of: "barrier", on: source)
        // etcd allows 128 conditions and operations in a transaction.
        if !(1...128).contains(count) {
            throw EtcdError(.invalidArgument, "a double barrier for \(count) participants: 1 to 128 are possible")
        }
        self.count = count
    }

    /// Enters, runs `body`, and leaves, each together with the others.
    ///
    /// If the participation is lost, the task of `body` is cancelled. If `body` throws, the round is broken for the others.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the others to come; nil waits without a limit.
    ///   - body: Does the participant's part.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``BarrierBroken`` when another participant of the round is gone;
    ///   ``CoordinationLoss``; the errors of ``enter(timeout:)``.
    @discardableResult
    public func withBarrier<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (BarrierParticipation) async throws -> Result
    ) async throws -> Result {
        let participation = try await enter(timeout: timeout)
        return try await releasing({ await participation.release() }) {
            let result = try await participation.hold.lifetime.whileHeld { try await body(participation) }
            try await participation.leave()
            return result
        }
    }

    /// Waits until enough participants have come.
    ///
    /// If this throws, is cancelled or runs out of time, the place is given up. If that happens at the very moment at which
    /// the others enter, the round is broken for them.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Returns: The participation, to be ended by ``BarrierParticipation/leave()``.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``EtcdError``, with the code
    ///   `deadlineExceeded` when too few have come in time, `unavailable` when etcd has not answered in that time, and
    ///   `invalidArgument` if another participant has a different ``count``; `CancellationError`.
    public func enter(timeout: Duration? = nil) async throws -> BarrierParticipation {
        do {
            return try await queue.waiting(timeout) { [count] queue, isOwn in
                let key = queue.queueKey(.shared, BarrierMember.value(count, .waiting))
                _ = try await QueueKey.keep([key], on: queue.session) {
                    _ = try await queue.join(key)
                    try await queue.session.lifetime.whileHeld {
                        try await BarrierParticipation.reach(.inside, count, key.key, in: queue)
                    }
                    return true
                }
                let hold = Hold(key, in: queue, ownsSession: isOwn)
                return hold.map { BarrierParticipation(hold: $0, count: count) }
            }
        } catch let busy as BusyError {
            let message = "too few have come to \"\(name)\" within \(busy.waited)"
            throw EtcdError(.deadlineExceeded, message, cause: busy.cause)
        }
    }
}

/// The participation of one task in a round of a ``DoubleBarrier``, until it leaves.
public struct BarrierParticipation: FencedGrant {
    let hold: Hold
    let count: Int

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Marks this participant as done, and waits until all participants of the round are.
    ///
    /// Afterwards the participation is over, whatever the outcome; if this fails or is cancelled, the round is broken for the
    /// others.
    ///
    /// - Throws: ``BarrierBroken`` when another participant of the round is gone before all were done; ``CoordinationLoss``
    ///   when this participation was lost; ``EtcdError``; `CancellationError`.
    public func leave() async throws {
        try await releasing({ await hold.release() }) {
            try await unifyingCancellation {
                try await hold.lifetime.whileHeld { [hold, count] in
                    try await setPhase(.leaving)
                    try await Self.reach(.left, count, hold.key, in: hold.queue)
                }
            }
        }
    }

    /// Gives the participation up, which breaks the round for the others; after ``leave()`` this does nothing.
    ///
    /// - Parameter timeout: How long to wait until the others can see that.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }

    private func setPhase(_ phase: BarrierMember.Phase) async throws {
        let session = hold.session
        guard let entry = try await session.read([.get(hold.key)]).results.first?.entries.first else {
            throw CoordinationLoss(.keyDeleted)
        }
        let value = BarrierMember.value(count, phase, try BarrierMember(entry).round)
        // Not if all have left already, as when this is repeated.
        _ = try await session.retryingUntilKnown(
            if: [Compare.Target.modRevision(hold.key) == entry.modRevision],
            then: [.put(hold.key, value, lease: session.lease.id)]
        )
    }

    /// Follows all participants, and takes the steps that are due, until the one of `key` is in the phase `goal`.
    static func reach(_ goal: BarrierMember.Phase, _ count: Int, _ key: Key, in queue: FairQueue) async throws {
        var options = MirrorOptions()
        // An outage is no error here either, so the loop waits for the first list.
        options.initialWait = .zero
        try await queue.client.withMirror(of: queue.range, options: options) { mirror in
            for try await view in mirror.views where view.revision > 0 {
                switch BarrierStep(for: key, among: try members(in: view, count), until: goal) {
                case nil: throw CoordinationLoss(.keyDeleted)
                case .arrived: return
                case .wait: continue
                case .broken:
                    let description = "one of the \(count) in \"\(queue.name)\" is gone too early"
                    throw BarrierBroken(name: "\(queue.name)", description: description)
                case .advance(let members, let phase, let round):
                    let entries = members.map(\.entry)
                    _ = try await queue.session.retryingUntilKnown(
                        if: entries.map { Compare.Target.modRevision($0.key) == $0.modRevision },
                        then: entries.map { .put($0.key, BarrierMember.value(count, phase, round), lease: $0.lease) }
                    )
                }
            }
        }
    }

    private static func members(in view: MirrorView, _ count: Int) throws(EtcdError) -> [BarrierMember] {
        try view.map { entry throws(EtcdError) in
            let member = try BarrierMember(entry)
            if member.count == count { return member }
            throw EtcdError(.invalidArgument, "\(entry.key) is for a barrier of \(member.count), not \(count)")
        }
    }
}

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

    let entry: KeyValue
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
        self.entry = entry
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
        guard let own = members.first(where: { $0.entry.key == key }) else { return nil }
        if own.phase == goal || own.phase == .left {
            self = .arrived
        } else if own.phase == .waiting {
            let group = members.filter { $0.phase == .waiting }
                .sorted { $0.entry.createRevision < $1.entry.createRevision }
                .prefix(own.count)
            guard group.count == own.count, group.last == own, let first = group.first else {
                self = .wait
                return
            }
            self = .advance(Array(group), to: .inside, round: first.entry.createRevision)
        } else {
            let group = members.filter { $0.phase != .waiting && $0.round == own.round }
            if group.count < own.count {
                self = .broken
            } else if group.allSatisfy({ $0.phase == .leaving && $0.entry.modRevision <= own.entry.modRevision }) {
                self = .advance(group, to: .left, round: own.round)
            } else {
                self = .wait
            }
        }
    }
}
