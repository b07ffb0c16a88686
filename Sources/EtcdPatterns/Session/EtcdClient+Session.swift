// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Opens a session, runs `body` with it, and closes it.
    ///
    /// If the session is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if
    /// `body` has returned. `body` runs in a task of its own, so that it can be cancelled.
    ///
    /// - Parameters:
    ///   - timeToLive: How long others wait for what is held here when this process has died, in whole seconds (rounded
    ///     up).
    ///   - body: Does the work that needs the session.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the session was lost; ``EtcdError`` when its lease
    ///   could not be granted.
    public func withSession<Result: Sendable>(
        timeToLive: Duration = .seconds(15),
        _ body: @escaping @Sendable (Session) async throws -> Result
    ) async throws -> Result {
        let session = try await Session(self, timeToLive: timeToLive)
        return try await releasing({ await session.close() }) {
            try await session.lifetime.whileHeld { try await body(session) }
        }
    }
}
