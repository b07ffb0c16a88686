// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps a ``DiscoveryFeed`` current: from a mirror of the entries, from checks, and as time passes.
struct DiscoveryFollower: Sendable {
    let feed: DiscoveryFeed
    private(set) var mirrorOptions = MirrorOptions()
    private let service: String
    private let folder: Key
    private let check: HealthCheck?

    init(_ service: String, _ folder: Key, _ options: DiscoveryOptions) {
        self.service = service
        self.folder = folder
        feed = DiscoveryFeed(DiscoveryState(service: service, folder: folder, protection: options.massLoss))
        check = options.check
        mirrorOptions.initialWait = options.initialWait
    }

    var range: KeyRange { .prefix(folder) }

    /// Runs until the mirror has ended, or the task is cancelled.
    func run(_ mirror: KeyMirror) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await follow(mirror) }
            group.addTask { await expireSuspects() }
            if let check { group.addTask { await examineAll(check) } }
            await group.next()
            group.cancelAll()
        }
    }

    private func follow(_ mirror: KeyMirror) async {
        do throws(EtcdError) {
            for try await change in mirror.changes {
                // Entries are decoded outside the lock of the feed, so that readers do not wait.
                let puts = change.puts.map { RegistryEntry($0.entry, of: service, in: folder) }
                let deletions = change.deletions.map(\.key)
                feed.update { $0.apply(puts: puts, deletions: deletions, at: change.revision, .now) }
            }
        } catch {
            feed.end(error)
        }
    }

    private func expireSuspects() async {
        while !Task.isCancelled, feed.read(\.ending) == nil {
            let next = feed.read(\.state.nextExpiry)
            if let next, next <= .now {
                feed.update { $0.expire(.now) }
                continue
            }
            // Errors are ignored: the loop checks for their causes.
            _ = try? await withTimeout(next.map { $0 - .now }) {
                try await feed.wait { $0.state.nextExpiry == next ? nil : true }
            }
        }
    }

    // MARK: Checks

    /// Checks each instance in a task of its own, which ends when the instance is gone.
    private func examineAll(_ check: HealthCheck) async {
        await withDiscardingTaskGroup { group in
            var cursor = DiscoveryCursor(feed: feed)
            while let step = try? await cursor.next() {
                for id in step.touched where step.new.known[id] != nil && feed.beginChecks(of: id) {
                    group.addTask { await examine(id, check) }
                }
            }
        }
    }

    private func examine(_ id: Key, _ check: HealthCheck) async {
        // The first checks of many instances are spread over time.
        try? await Task.sleep(for: check.pause * Double.random(in: 0...1))
        while !Task.isCancelled, let instance = feed.nextToCheck(id) {
            let passed = await check.passes(instance)
            if Task.isCancelled { return }
            feed.update { $0.note(passed, of: instance, check) }
            // The loop notices a cancelled pause.
            try? await Task.sleep(for: check.pause)
        }
    }
}

/// The state of a discovery: its follower updates it, and readers wait for changes.
final class DiscoveryFeed: Sendable {
    struct Content {
        fileprivate(set) var state: DiscoveryState
        /// The reason why there will be no more changes.
        fileprivate(set) var ending: EtcdError?
        /// The instances that are checked.
        fileprivate var checked: Set<Key> = []
    }

    private let content: SharedState<Content>

    init(_ state: DiscoveryState) { content = SharedState(Content(state: state)) }

    func read<Result>(_ body: (Content) -> Result) -> Result { content.withLock { body($0) } }

    // MARK: The follower's side

    func update(_ body: (inout DiscoveryState) -> Void) {
        let isNew = content.withLock { content in
            let before = content.state.version
            body(&content.state)
            return content.state.version != before
        }
        if isNew { content.update { _ in } }
    }

    /// Ends the discovery; only the first reason counts.
    func end(_ error: EtcdError) { content.update { $0.ending = $0.ending ?? error } }

    /// Whether an instance is to be checked from now on, and was not before.
    func beginChecks(of id: Key) -> Bool { content.withLock { $0.checked.insert(id).inserted } }

    /// The instance to check; nil if it is gone, after which it counts as not checked.
    func nextToCheck(_ id: Key) -> ServiceInstance? {
        content.withLock { content in
            let instance = content.state.instance(id)
            if instance == nil { content.checked.remove(id) }
            return instance
        }
    }

    // MARK: The readers' side

    /// Waits until `body` returns something.
    ///
    /// - Throws: `CancellationError`; the ``EtcdError`` that has ended the discovery.
    func wait<Answer>(for body: (Content) -> Answer?) async throws -> Answer {
        try await content.wait { content -> Result<Answer, EtcdError>? in
            if let answer = body(content) { return .success(answer) }
            return content.ending.map { .failure($0) }
        }.get()
    }

    /// Waits until the entries that were in the store at the beginning are known, unless the mirror was opened without
    /// its entries.
    func waitForFirst(_ mirror: KeyMirror) async throws {
        if mirror.currentAsOf != nil { try await wait { $0.state.version > 0 ? () : nil } }
    }
}
