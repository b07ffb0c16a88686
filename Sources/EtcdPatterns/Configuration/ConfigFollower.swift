// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps a configuration current: follows the store, judges each state, and keeps the file.
struct ConfigFollower: Sendable {
    let client: EtcdClient
    let layout: ConfigLayout
    let options: ConfigOptions

    private var file: ConfigFile? { options.file.map { ConfigFile(options: $0, layout: layout) } }

    // MARK: The beginning

    /// The state to begin with, from the store, or else from the file.
    func start() async throws -> ConfigFeed.Content {
        do {
            let mirror = try await client.mirror(of: layout.range)
            do {
                let content = mirror.snapshot
                let clusterID = try await clusterID()
                var start: ConfigFeed.Content
                var view = ConfigView(layout)
                switch judge(content, &view) {
                case .success(let snapshot):
                    start = ConfigFeed.Content(snapshot, judged: content)
                case .failure(let error):
                    // The last good state is that of an earlier run; but not one of another cluster.
                    guard let kept = try? await file?.load(), kept.clusterID == clusterID else { throw error }
                    let rejection = ConfigRejection(revision: content.revision, error: error)
                    start = ConfigFeed.Content(kept.snapshot, judged: content, rejection: rejection)
                }
                start.mirror = mirror
                start.clusterID = clusterID
                return start
            } catch {
                await mirror.close()
                throw error
            }
        } catch let error as EtcdError {
            guard let file, file.isThere, error.code.isTransient else { throw error }
            do throws(ConfigError) {
                var start = ConfigFeed.Content(try await file.load().snapshot)
                start.failure = error
                return start
            } catch let problem {
                throw ConfigError(problem.code, "\(problem.message), and etcd is away", cause: error)
            }
        }
    }

    private func clusterID() async throws(EtcdError) -> UInt64 {
        try await client.range(.key(layout.pointer)).header.clusterID
    }

    /// The configuration in `content`, if it is to be taken.
    private func judge(_ content: MirrorSnapshot, _ view: inout ConfigView) -> Result<ConfigSnapshot, ConfigError> {
        do {
            let snapshot = try view.snapshot(of: content)
            try options.validate?(snapshot)
            return .success(snapshot)
        } catch {
            return .failure(.refusal(error))
        }
    }

    // MARK: Following

    /// Keeps `feed` current until the task is cancelled, or the client closed.
    func run(_ feed: ConfigFeed) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await follow(feed) }
            if let file { group.addTask { await keep(file, feed) } }
            await group.next()
            group.cancelAll()
        }
        feed.update { $0.isClosed = true }
    }

    private func follow(_ feed: ConfigFeed) async {
        var view = ConfigView(layout)
        var failures = 0
        var first = feed.read(\.mirror)
        while !Task.isCancelled {
            var last: KeyMirror?
            do throws(EtcdError) {
                let mirror: KeyMirror
                if let first { mirror = first } else { mirror = try await client.mirror(of: layout.range) }
                last = mirror
                let clusterID = first == nil ? try await clusterID() : feed.read(\.clusterID)
                feed.update { ($0.mirror, $0.clusterID, $0.failure) = (mirror, clusterID, nil) }
                failures = 0
                for try await content in mirror.snapshots { look(at: content, &view, feed) }
            } catch {
                feed.update { $0.failure = error }
                if error.code == .clientClosed { break }
            }
            await last?.close()
            first = nil
            failures += 1
            // A cancelled pause is noticed by the loop.
            try? await Task.sleep(for: Backoff().delay(afterFailures: failures))
        }
        let mirror = feed.read(\.mirror)
        await mirror?.close()
    }

    private func look(at content: MirrorSnapshot, _ view: inout ConfigView, _ feed: ConfigFeed) {
        // The store goes on also where nothing in the configuration is different.
        if let last = feed.read(\.judged), last.count == content.count, last.elementsEqual(content) {
            feed.update { $0.judged = content }
        } else {
            let verdict = judge(content, &view)
            feed.update { $0.note(verdict, of: content) }
        }
    }

    // MARK: The file

    /// Writes the file whenever there is something new to say, and once more at the end.
    private func keep(_ file: ConfigFile, _ feed: ConfigFeed) async {
        var saved: (snapshot: ConfigSnapshot, at: ContinuousClock.Instant)?
        // An unchanged state is written again, so that it does not grow old on disk.
        let refresh = max(.seconds(1), min((file.options.maximumAge ?? .seconds(3600)) / 10, .seconds(3600)))
        while true {
            let isLast = Task.isCancelled
            let (current, clusterID, mirror, isRejected) = feed.read {
                ($0.current, $0.clusterID, $0.mirror, $0.rejection != nil)
            }
            let isNew = saved.map { !$0.snapshot.hasSameValues(as: current) } ?? true
            // What is known not to be the newest may grow old.
            let isDue = saved.map { $0.at + refresh < .now && !isRejected } ?? true
            if !current.isFromFile, let age = mirror?.staleness, isNew || isDue {
                do throws(EtcdError) {
                    try await file.save(current, of: clusterID, age: age)
                    saved = (current, .now)
                    feed.update { $0.fileFailure = nil }
                } catch {
                    feed.update { $0.fileFailure = error }
                }
            }
            if isLast { return }
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
