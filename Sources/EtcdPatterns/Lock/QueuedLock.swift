// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// What all locks have in common: a name, a queue, and sessions for those who stand in it.
struct QueuedLock: Sendable {
    let name: Key
    var owner = Value("\(ProcessInfo.processInfo.processName) \(ProcessInfo.processInfo.processIdentifier)")
    let source: SessionSource
    /// Copies of a lock have the same.
    let leftovers = Leftovers()

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
        try await source.withSession { session, isOwn in
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
    func withSession<Grant>(
        _ body: (_ session: Session, _ isOwn: Bool) async throws -> Grant?
    ) async throws -> Grant? {
        switch self {
        case .shared(let session):
            return try await body(session, false)
        case .own(let client, let timeToLive):
            let session = try await Session(client, timeToLive: timeToLive)
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
}
