// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Says which session a pattern uses: one of its own for each acquisition, or a session that it shares with others.
///
/// ```swift
/// let lock = try DistributedLock("report", on: .client(client))
/// let other = try DistributedLock("backup", on: .session(session))
/// ```
public struct SessionSource: Sendable {
    private enum Kind {
        case session(Session)
        case client(EtcdClient, timeToLive: Duration)
    }

    private let kind: Kind

    /// Each acquisition opens a session, which ends with it.
    ///
    /// - Parameters:
    ///   - client: The client that opens the sessions.
    ///   - timeToLive: How long others wait when the process of a holder has died, in whole seconds (rounded up), at
    ///     least 2 s.
    /// - Returns: The source.
    public static func client(_ client: EtcdClient, timeToLive: Duration = .seconds(15)) -> SessionSource {
        SessionSource(kind: .client(client, timeToLive: timeToLive))
    }

    /// All acquisitions share a session: if it is lost, everything that was acquired on it is lost.
    ///
    /// - Parameter session: The session, which the caller closes.
    /// - Returns: The source.
    public static func session(_ session: Session) -> SessionSource { SessionSource(kind: .session(session)) }

    var client: EtcdClient {
        switch kind {
        case .session(let session): session.client
        case .client(let client, _): client
        }
    }

    var timeToLive: Duration {
        switch kind {
        case .session(let session): session.lease.timeToLive
        case .client(_, let timeToLive): timeToLive
        }
    }

    /// The session that all acquisitions share; nil if each has its own.
    var shared: Session? {
        if case .session(let session) = kind { session } else { nil }
    }

    /// Refuses a time to live that no session can have.
    func check() throws(EtcdError) {
        if case .client(_, let timeToLive) = kind { try Session.check(timeToLive: timeToLive) }
    }

    /// Calls `body` with a session, and closes a session of its own unless `body` has acquired something.
    ///
    /// - Parameters:
    ///   - onFailure: Is called for each failed attempt to open a session, which is repeated until etcd answers; nil makes
    ///     one attempt only.
    ///   - body: Acquires something, and returns nil if it has not.
    /// - Returns: The result of `body`.
    /// - Throws: What `body` throws; ``EtcdError`` when no session can be opened; `CancellationError`.
    func withSession<Result>(
        onFailure: ((EtcdError) -> Void)?,
        _ body: (_ session: Session, _ isOwn: Bool) async throws -> Result?
    ) async throws -> Result? {
        try await unifyingCancellation {
            switch kind {
            case .session(let session):
                return try await body(session, false)
            case .client(let client, let timeToLive):
                let session = try await Self.open(client, timeToLive, onFailure)
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
    }

    private static func open(
        _ client: EtcdClient,
        _ timeToLive: Duration,
        _ onFailure: ((EtcdError) -> Void)?
    ) async throws(EtcdError) -> Session {
        guard let onFailure else { return try await Session(client, timeToLive: timeToLive) }
        // A lease whose grant was not answered ends by itself, and has no keys.
        return try await client.retryingUntilKnown(attempt: client.timeout) { client throws(EtcdError) in
            do throws(EtcdError) {
                return try await Session(client, timeToLive: timeToLive)
            } catch {
                if error.code != .cancelled { onFailure(error) }
                throw error
            }
        }
    }
}
