// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// How far an acquisition has come: when its time is over, that tells "another holds it" from "etcd does not answer".
final class Attempt: Sendable {
    private struct State {
        var hasBeenAnswered = false
        /// The last error since the last answer.
        var hindrance: (any Error)?
    }

    private let state = Lock(State())

    /// The queue was reached.
    func answered() {
        state.withLock { $0 = State(hasBeenAnswered: true) }
    }

    /// An error occurred, after which the acquisition goes on.
    func hindered(by error: any Error) {
        state.withLock { $0.hindrance = error }
    }

    /// The error when the time is over: `busy` if etcd has answered.
    func timeIsOver(_ name: String, _ waited: Duration, busy: (BusyError) -> any Error = { $0 }) -> any Error {
        let state = state.withLock { $0 }
        if state.hasBeenAnswered { return busy(BusyError(name: name, waited: waited, cause: state.hindrance)) }
        return EtcdError(
            .unavailable,
            "\(BusyError(name: name, waited: waited)): etcd has not answered",
            cause: state.hindrance
        )
    }
}
