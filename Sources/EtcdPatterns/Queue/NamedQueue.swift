// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A queue by its name, with the source of the sessions of those who join it: the core of all patterns that have a queue.
struct NamedQueue: Sendable {
    let name: String
    let key: Key
    var owner = Self.process
    let source: SessionSource
    /// Copies share it.
    private let staleKeys = StaleKeys()

    /// The name and the number of this process.
    static let process: Value = {
        let process = ProcessInfo.processInfo
        return Value("\(process.processName) \(process.processIdentifier)")
    }()

    /// - Parameters:
    ///   - name: The name of the pattern.
    ///   - folder: The end of the queue's own name, if the pattern has other keys, too.
    ///   - what: The pattern, for errors: `lock`.
    ///   - source: The source of sessions.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    init(_ name: String, _ folder: Key? = nil, of what: String, on source: SessionSource) throws(EtcdError) {
        let base = Key(name)
        try base.checkName(of: what)
        try source.check()
        self.name = name
        key = folder.map { base + $0 } ?? base
        self.source = source
    }

    var client: EtcdClient { source.client }
    var range: KeyRange { .prefix(key + "/") }

    // MARK: Acquiring

    /// Waits for the turn of a key of this role.
    func acquire(_ role: FairQueue.Role, timeout: Duration?) async throws -> Hold {
        try await waiting(timeout) { queue, isOwn in try await enter(role, queue, isOwn, waits: true) }
    }

    /// Acquires the queue if a key of this role has its turn at once.
    func acquireIfAvailable(_ role: FairQueue.Role) async throws -> Hold? {
        try await withQueue(waits: false) { queue, isOwn in try await enter(role, queue, isOwn, waits: false) }
    }

    private func enter(_ role: FairQueue.Role, _ queue: FairQueue, _ isOwn: Bool, waits: Bool) async throws -> Hold? {
        guard let key = try await queue.enter(role, owner, waits: waits), let revision = key.createRevision else {
            return nil
        }
        return Hold(key, at: revision, in: queue, ownsSession: isOwn)
    }

    /// Calls `body` with the queue on a session, until the time is over.
    ///
    /// - Throws: The error of `body`; the error of `busy` when the time is over, or ``EtcdError`` with the code
    ///   `unavailable` if etcd has not answered in that time.
    func waiting<Result: Sendable>(
        _ timeout: Duration?,
        busy: (BusyError) -> any Error = { $0 },
        _ body: @escaping @Sendable (_ queue: FairQueue, _ ownsSession: Bool) async throws -> Result?
    ) async throws -> Result {
        let attempt = Attempt()
        if let result = try await withTimeout(timeout, { try await withQueue(attempt, waits: true, body) }) {
            return result
        }
        throw attempt.timeIsOver(name, timeout ?? .zero, busy: busy)
    }

    /// Calls `body` with the queue on a session.
    ///
    /// - Parameters:
    ///   - attempt: Learns how far the acquisition comes.
    ///   - waits: Waits for etcd if a session cannot be opened.
    ///   - body: Acquires something, and returns nil if it has not.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` when no session can be opened; `CancellationError`.
    func withQueue<Result>(
        _ attempt: Attempt = Attempt(),
        waits: Bool,
        _ body: (_ queue: FairQueue, _ ownsSession: Bool) async throws -> Result?
    ) async throws -> Result? {
        try await source.withSession(waits: waits, onFailure: { attempt.hindered(by: $0) }) { session, isOwn in
            let queue = FairQueue(session: session, name: key, staleKeys: staleKeys, attempt: attempt)
            return try await body(queue, isOwn)
        }
    }

    /// Lists the queue, in the order of its turns.
    func entries() async throws(EtcdError) -> [QueueEntry] {
        try await client.queueEntries(in: range).map(QueueEntry.init)
    }
}
