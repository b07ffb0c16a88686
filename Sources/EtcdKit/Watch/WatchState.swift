// SPDX-License-Identifier: Apache-2.0

/// The position of a watch: a value that takes the server's answers and decides what to do, without any I/O.
///
/// For exact resumption, a watch resumes after the last revision that it has delivered *completely*. The header of an
/// answer does not have it, because a watch that catches up gets the store's newest revision with old events.
struct WatchState {
    /// The revision to resume from; 0 for a watch that starts from now.
    private(set) var nextRevision: Revision
    /// Events of a revision of which more may come in the next fragment.
    private var incomplete = EncodedEvents()
    /// The revision of the last of them.
    private var lastRevision: Revision = 0
    /// How many bytes of a revision may be held until the rest of it has come.
    private let limit: Int

    enum Action: Equatable {
        case none
        case created
        /// All events of the answer are in order, new, and complete as to their revisions.
        case deliverAll
        /// These are, and no others.
        case deliver(EncodedEvents)
        case progress(Revision)
        /// A revision is larger than it may be.
        case tooLarge
        /// The server has ended the watch, and it can be resumed.
        case resume
        case end(EtcdError.Code, String, compactRevision: Revision?)
    }

    init(from revision: Revision?, limit: Int = .max) {
        nextRevision = revision ?? 0
        self.limit = limit
    }

    mutating func receive(_ answer: WatchAnswer) -> Action {
        if answer.canceled { return ended(answer) }
        if answer.created {
            if nextRevision == 0 { nextRevision = answer.revision.next }
            return .created
        }
        if answer.fragment || !incomplete.isEmpty { return part(answer) }
        if answer.eventCount == 0 {
            guard answer.revision >= nextRevision else { return .none }
            nextRevision = answer.revision.next
            return .progress(answer.revision)
        }
        if answer.lowestRevision < nextRevision { return part(answer) }
        nextRevision = answer.lastRevision.next
        return .deliverAll
    }

    /// The connection is gone: incomplete revisions will come again.
    mutating func disconnected() {
        incomplete = EncodedEvents()
    }

    /// Takes an answer whose events are not all to be delivered, or not alone.
    private mutating func part(_ answer: WatchAnswer) -> Action {
        if incomplete.byteCount > limit {
            incomplete = EncodedEvents()
            return .tooLarge
        }
        let new = EncodedEvents(answer, from: nextRevision)
        if !new.isEmpty { lastRevision = answer.lastRevision }
        incomplete.append(new)
        guard !incomplete.isEmpty else { return .none }
        if answer.fragment {
            guard let complete = incomplete.takeAll(before: lastRevision) else { return .none }
            nextRevision = complete.lastRevision.next
            return .deliver(complete.events)
        }
        let complete = incomplete
        incomplete = EncodedEvents()
        nextRevision = lastRevision.next
        return .deliver(complete)
    }

    private func ended(_ answer: WatchAnswer) -> Action {
        if answer.compactRevision != 0 {
            let revision = Revision(rawValue: answer.compactRevision)
            let text = "revision \(nextRevision) was compacted; the oldest that can be watched is \(revision)"
            return .end(.compacted, text, compactRevision: revision)
        }
        if answer.cancelReason.isEmpty {
            return .end(.server, "the server has ended the watch without a reason", compactRevision: nil)
        }
        let error = EtcdError(cancelReason: answer.cancelReason)
        return error.code.isTransient ? .resume : .end(error.code, error.message, compactRevision: nil)
    }
}
