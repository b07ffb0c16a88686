// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// How far an acquisition has come, so that its error tells "somebody holds it" from "etcd does not answer" when its time
/// is over.
final class Attempt: Sendable {
    private struct State {
        var hasBeenAnswered = false
        /// What stands in the way since the last answer.
        var hindrance: (any Error)?
    }

    private let state = Lock(State())

    /// The queue was reached.
    func answered() {
        state.withLock { $0 = State(hasBeenAnswered: true) }
    }

    /// Something stands in the way, and is tried again or waited for.
    func hindered(by error: any Error) {
        state.withLock { $0.hindrance = error }
    }

    /// The error when the time is over, which says `what` has not happened.
    func timeIsOver(_ what: String) -> EtcdError {
        let state = state.withLock { $0 }
        if state.hasBeenAnswered { return EtcdError(.deadlineExceeded, what, cause: state.hindrance) }
        return EtcdError(.unavailable, what + ": etcd has not answered", cause: state.hindrance)
    }
}
