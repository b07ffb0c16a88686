// SPDX-License-Identifier: Apache-2.0

/// How far a watch has come: a value that takes the server's answers and says what to do, without any I/O.
///
/// The rule that makes resumption exact: a watch goes on after the last revision it has delivered *in whole*. The header
/// of an answer says nothing of that, since a watch that catches up is told the store's newest revision with old events.
struct WatchState {
    /// Where the watch goes on; 0 as long as it is to start from now.
    private(set) var nextRevision: Revision
    /// Events of a revision of which more may come in the next fragment.
    private var incomplete: [WatchEvent] = []

    enum Action: Equatable {
        case none
        case created
        /// These events are in order, new, and complete as to their revisions.
        case deliver([WatchEvent])
        case progress(Revision)
        /// The server has ended the watch, and it can be taken up again.
        case resume
        case end(EtcdError.Code, String, compactRevision: Revision?)
    }

    init(from revision: Revision?) {
        nextRevision = revision ?? 0
    }

    mutating func receive(_ response: Wire.WatchResponse) -> Action {
        if response.canceled { return ended(response) }
        if response.created {
            if nextRevision == 0 { nextRevision = response.header.revision.next }
            return .created
        }
        if response.events.isEmpty && !response.fragment && incomplete.isEmpty {
            guard response.header.revision >= nextRevision else { return .none }
            nextRevision = response.header.revision.next
            return .progress(response.header.revision)
        }
        return events(response.events, mayContinue: response.fragment)
    }

    /// The connection is gone: what is not complete will come again.
    mutating func disconnected() {
        incomplete = []
    }

    private mutating func events(_ events: [WatchEvent], mayContinue: Bool) -> Action {
        incomplete += events.filter { $0.revision >= nextRevision }
        guard let last = incomplete.last?.revision else { return .none }
        var complete = incomplete
        if mayContinue {
            complete = incomplete.filter { $0.revision < last }
            incomplete.removeFirst(complete.count)
        } else {
            incomplete = []
        }
        guard let delivered = complete.last?.revision else { return .none }
        nextRevision = delivered.next
        return .deliver(complete)
    }

    private func ended(_ response: Wire.WatchResponse) -> Action {
        if response.compactRevision != 0 {
            let revision = Revision(rawValue: response.compactRevision)
            let text = "revision \(nextRevision) was compacted; the oldest that can be watched is \(revision)"
            return .end(.compacted, text, compactRevision: revision)
        }
        if response.cancelReason.isEmpty {
            return .end(.server, "the server has ended the watch without a reason", compactRevision: nil)
        }
        let error = EtcdError(cancelReason: response.cancelReason)
        return error.code.isTransient ? .resume : .end(error.code, error.message, compactRevision: nil)
    }
}
