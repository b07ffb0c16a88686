// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// What all locks have in common: a name, a queue, and sessions for those who stand in it.
struct QueuedLock: Sendable {
    let name: Key
    var owner = Self.process
    let source: SessionSource
    /// Copies of a lock have the same.
    let leftovers = Leftovers()

    private static let process: Value = {
        let process = ProcessInfo.processInfo
        return Value("\(process.processName) \(process.processIdentifier)")
    }()

    init(_ name: Key, _ source: SessionSource) throws(EtcdError) {
        try name.checkName(of: "lock")
        try source.check()
        self.name = name
        self.source = source
    }

    func acquire(_ role: KeyQueue.Role, timeout: Duration?) async throws -> LockGrant {
        let attempt = Attempt()
        let grant = try await withTimeout(timeout) { try await enter(role, waits: true, attempt) }
        if let grant { return grant }
        throw attempt.timeIsOver("\"\(name)\" was not free within \(timeout ?? .zero)")
    }

    func acquireIfAvailable(_ role: KeyQueue.Role) async throws -> LockGrant? {
        try await enter(role, waits: false, Attempt())
    }

    private func enter(_ role: KeyQueue.Role, waits: Bool, _ attempt: Attempt) async throws -> LockGrant? {
        try await source.withSession(waits ? attempt : nil) { session, isOwn in
            let queue = KeyQueue(session: session, name: name, leftovers: leftovers, attempt: attempt)
            guard let candidacy = try await queue.enter(role, owner, waits: waits),
                let revision = candidacy.createRevision
            else { return nil }
            return LockGrant(hold: Hold(candidacy, at: revision, in: queue, ownsSession: isOwn))
        }
    }

    func entries() async throws(EtcdError) -> [LockEntry] {
        try await source.client.queueEntries(in: .prefix(name + "/")).map(LockEntry.init)
    }
}

/// Where an acquisition has its session from.
enum SessionSource: Sendable {
    case shared(Session)
    /// Each acquisition has its own, which ends with it.
    case own(EtcdClient, timeToLive: Duration)

    var client: EtcdClient {
        switch self {
        case .shared(let session): session.client
        case .own(let client, _): client
        }
    }

    var timeToLive: Duration {
        switch self {
        case .shared(let session): session.lease.timeToLive
        case .own(_, let timeToLive): timeToLive
        }
    }

    /// Refuses a time to live that no session can have.
    func check() throws(EtcdError) {
        if case .own(_, let timeToLive) = self { try Session.check(timeToLive: timeToLive) }
    }

    /// Lends a session to `body`, which keeps it if it returns a grant.
    ///
    /// - Parameters:
    ///   - attempt: Waits for etcd, as long as the task is not cancelled, and hears what stands in the way; nil does not
    ///     wait longer than for a call.
    ///   - body: Acquires something.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, and ``EtcdError`` when there is no session.
    func withSession<Grant>(
        _ attempt: Attempt?,
        _ body: (_ session: Session, _ isOwn: Bool) async throws -> Grant?
    ) async throws -> Grant? {
        switch self {
        case .shared(let session):
            return try await body(session, false)
        case .own(let client, let timeToLive):
            let session = try await open(client, timeToLive, attempt)
            do {
                let grant = try await body(session, true)
                if grant == nil { await session.close(timeout: Session.grace) }
                return grant
            } catch {
                await session.close(timeout: Session.grace)
                throw error
            }
        }
    }

    private func open(
        _ client: EtcdClient,
        _ timeToLive: Duration,
        _ attempt: Attempt?
    ) async throws(EtcdError) -> Session {
        guard let attempt else { return try await Session(client, timeToLive: timeToLive) }
        // A lease whose grant was not answered ends by itself, and has no keys.
        return try await client.insist(attempt: client.timeout) { client throws(EtcdError) in
            do throws(EtcdError) {
                return try await Session(client, timeToLive: timeToLive)
            } catch {
                if error.code != .cancelled { attempt.hindered(by: error) }
                throw error
            }
        }
    }
}
