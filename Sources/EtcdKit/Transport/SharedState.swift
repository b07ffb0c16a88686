// SPDX-License-Identifier: Apache-2.0

/// A state behind a lock, and a wake-up for the tasks that wait for a change of it.
package final class SharedState<State>: Sendable {
    private let state: Lock<State>
    private let changes = LatestValue<Void>()

    package init(_ state: sending State) {
        self.state = Lock(state)
        changes.send(())
    }

    /// Reads the state, or changes it without waking anybody.
    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try state.withLock(body)
    }

    /// Changes the state, and wakes all tasks that wait.
    package func update<Result>(_ body: (inout State) -> Result) -> Result {
        defer { changes.send(()) }
        return state.withLock(body)
    }

    /// Waits until `body` returns a value: it is called at once, and after each ``update(_:)``.
    package func wait<Result>(for body: (inout State) -> Result?) async throws(CancellationError) -> Result {
        for await _ in changes.listen() {
            if let result = state.withLock(body) { return result }
        }
        throw CancellationError()
    }
}
