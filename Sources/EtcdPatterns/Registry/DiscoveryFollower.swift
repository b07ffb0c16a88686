// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps a ``DiscoveryFeed`` current: from a mirror of the entries, from checks, and as time passes.
struct DiscoveryFollower: Sendable {
    let range: KeyRange
    let feed: DiscoveryFeed
    let mirrorOptions: MirrorOptions
    private let service: String
    private let folder: Key
    private let check: HealthCheck?

    init(_ service: String, _ folder: Key, _ options: DiscoveryOptions) {
        self.service = service
        self.folder = folder
        range = .prefix(folder)
        feed = DiscoveryFeed(DiscoveryState(service: service, folder: folder, protection: options.massLoss))
        check = options.check
        var mirrorOptions = MirrorOptions()
        mirrorOptions.initialWait = options.initialWait
        self.mirrorOptions = mirrorOptions
    }

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
            // The loop looks at what it throws.
            _ = try? await withTimeout(next.map { $0 - .now }) {
                try await feed.wait { $0.state.nextExpiry == next ? nil : true }
            }
        }
    }

    // MARK: Checks

    /// Checks each instance in a task of its own, which ends when the instance is gone.
    private func examineAll(_ check: HealthCheck) async {
        await withDiscardingTaskGroup { group in
            var cursor = DiscoveryCursor(feed)
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
