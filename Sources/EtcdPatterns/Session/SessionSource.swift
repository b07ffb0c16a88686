// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The session that a pattern uses: a new one for each acquisition, or a session that it shares with others.
///
/// ```swift
/// let lock = try DistributedLock("report", on: .client(client))
/// let other = try DistributedLock("backup", on: .session(session))
/// ```
public struct SessionSource: Sendable {
    let client: EtcdClient
    let timeToLive: Duration
    /// The session that all acquisitions share; nil if each has its own.
    let shared: Session?

    /// Each acquisition opens a session, which ends with it.
    ///
    /// - Parameters:
    ///   - client: The client that opens the sessions.
    ///   - timeToLive: How long others wait when the process of a holder has died, in whole seconds (rounded up), at
    ///     least 2 s.
    /// - Returns: The source.
    public static func client(_ client: EtcdClient, timeToLive: Duration = .seconds(15)) -> SessionSource {
        SessionSource(client: client, timeToLive: timeToLive, shared: nil)
    }

    /// All acquisitions share a session: if it is lost, everything that was acquired on it is lost.
    ///
    /// - Parameter session: The session, which the caller closes.
    /// - Returns: The source.
    public static func session(_ session: Session) -> SessionSource {
        SessionSource(client: session.client, timeToLive: session.lease.timeToLive, shared: session)
    }

    /// Refuses a time to live that no session can have.
    func check() throws(EtcdError) {
        if shared == nil { try Session.check(timeToLive: timeToLive) }
    }

    /// Calls `body` with a session, and closes a session of its own unless `body` has acquired something.
    ///
    /// `body` returns nil if it has not. If `waits` is true, the attempt to open a session is repeated until etcd answers;
    /// `onFailure` is called for each that has failed.
    ///
    /// - Throws: The error of `body`; ``EtcdError`` when no session can be opened; `CancellationError`.
    func withSession<Result>(
        waits: Bool,
        onFailure: (EtcdError) -> Void = { _ in },
        _ body: (_ session: Session, _ isOwn: Bool) async throws -> Result?
    ) async throws -> Result? {
        try await unifyingCancellation {
            if let shared { return try await body(shared, false) }
            let session = try await open(waits: waits, onFailure)
            do {
                let result = try await body(session, true)
                if result == nil { await session.close(timeout: Session.grace) }
                return result
            } catch {
                await session.close(timeout: Session.grace)
                throw error
            }
        }
    }

    private func open(waits: Bool, _ onFailure: (EtcdError) -> Void) async throws(EtcdError) -> Session {
        if !waits { return try await Session(client, timeToLive: timeToLive) }
        // A lease whose grant was not answered ends by itself, and has no keys.
        return try await client.retryingUntilKnown(attempt: client.timeout) { client throws(EtcdError) in
            try await noting(onFailure) { () throws(EtcdError) in try await Session(client, timeToLive: timeToLive) }
        }
    }
}
