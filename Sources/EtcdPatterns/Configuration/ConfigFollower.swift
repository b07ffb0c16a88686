// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps a configuration current: follows the store, judges each state, and keeps the file.
struct ConfigFollower: Sendable {
    let client: EtcdClient
    let layout: ConfigLayout
    let options: ConfigOptions

    private var file: ConfigFile? { options.file.map { ConfigFile(options: $0, layout: layout) } }

    // MARK: The beginning

    /// The state to begin with: from the store, or else, if that is away or has a bad one, from the file, or nothing.
    ///
    /// - Throws: Why the state of the store is not acceptable, if there is no earlier one; `EtcdError` if it cannot be read
    ///   for a reason that does not pass by itself.
    func start() async throws -> ConfigFeed.Content {
        let mirror = try await openMirror()
        do {
            var start = try await begin(with: mirror.view)
            start.mirror = mirror
            return start
        } catch {
            await mirror.close()
            throw error
        }
    }

    private func begin(with content: MirrorView) async throws(ConfigError) -> ConfigFeed.Content {
        let now = ContinuousClock.now
        if content.revision == 0 {
            let nothing = ConfigSnapshot(content, layout)
            guard let file, file.isThere else { return ConfigFeed.Content(nothing, from: .nothing(since: now)) }
            do throws(ConfigError) {
                return ConfigFeed.Content(try await load(file).snapshot, from: .file(since: now))
            } catch {
                var start = ConfigFeed.Content(nothing, from: .nothing(since: now))
                start.fileFailure = error
                return start
            }
        }
        var view = ConfigView(layout)
        let verdict = judge(content, &view)
        let clusterID = file == nil ? nil : try? await clusterID()
        var start: ConfigFeed.Content
        switch verdict {
        case .success(let snapshot): start = ConfigFeed.Content(snapshot, from: .etcd(since: now))
        case .failure(let error):
            // The last good state is that of an earlier run; but not one of another cluster.
            guard let file, let kept = try? await load(file), kept.clusterID == clusterID else { throw error }
            start = ConfigFeed.Content(kept.snapshot, from: .file(since: now))
        }
        start.note(verdict, isNews: false, of: content)
        start.clusterID = clusterID
        return start
    }

    /// Reads the file, whose state must be acceptable too.
    private func load(_ file: ConfigFile) async throws(ConfigError) -> ConfigFile.Content {
        let content = try await file.load()
        do {
            try options.validate?(content.snapshot)
        } catch {
            throw .refusal(error)
        }
        return content
    }

    private func openMirror() async throws(EtcdError) -> KeyMirror {
        var mirrorOptions = MirrorOptions()
        mirrorOptions.initialWait = options.initialWait
        return try await client.mirror(of: layout.range, options: mirrorOptions)
    }

    private func clusterID() async throws(EtcdError) -> UInt64 {
        try await client.range(.key(layout.pointer)).header.clusterID
    }

    /// The configuration in `content`, if it is to be taken.
    private func judge(_ content: MirrorView, _ view: inout ConfigView) -> Result<ConfigSnapshot, ConfigError> {
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
                if let first { mirror = first } else { mirror = try await openMirror() }
                last = mirror
                feed.update { $0.mirror = mirror }
                // The revision is 0 until etcd is reached.
                for try await content in mirror.views where content.revision > 0 {
                    failures = 0
                    look(at: content, &view, feed)
                }
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

    private func look(at content: MirrorView, _ view: inout ConfigView, _ feed: ConfigFeed) {
        let (judged, current, source) = feed.read { ($0.judged, $0.current, $0.source) }
        // The store goes on also where nothing in the configuration is different.
        if let judged, judged.count == content.count, judged.elementsEqual(content) {
            feed.update { ($0.judged, $0.failure) = (content, nil) }
            return
        }
        let verdict = judge(content, &view)
        // A value that was put again as it was is no news, and neither is its copy. It is found out here, and not in the
        // feed, whose readers would wait.
        var isNews = !source.isEtcd
        if case .success(let snapshot) = verdict, !isNews { isNews = !snapshot.hasSameValues(as: current) }
        feed.update { feed in
            feed.note(verdict, isNews: isNews, of: content)
            feed.failure = nil
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
            let (current, source, mirror, isRejected) = feed.read {
                ($0.current, $0.source, $0.mirror, $0.rejection != nil)
            }
            let isNew = saved.map { !$0.snapshot.hasSameValues(as: current) } ?? true
            // What is known not to be the newest may grow old.
            let isDue = saved.map { $0.at + refresh < .now && !isRejected } ?? true
            if source.isEtcd, let age = mirror?.staleness, isNew || isDue {
                do {
                    try await file.save(current, of: try await identify(feed, isLast: isLast), age: age)
                    saved = (current, .now)
                    feed.update { $0.fileFailure = nil }
                } catch {
                    let text = "the file \(file.options.path) could not be written"
                    feed.update { $0.fileFailure = ConfigError(.fileNotWritten, text, cause: error) }
                }
            }
            if isLast { return }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// The cluster that the state is of: another one after the restoration of a backup.
    private func identify(_ feed: ConfigFeed, isLast: Bool) async throws(EtcdError) -> UInt64 {
        if isLast, let known = feed.read(\.clusterID) { return known }
        let clusterID: UInt64
        if isLast {
            // The task is cancelled already, and the end does not wait for long.
            let hurried = ConfigFollower(client: client.with(timeout: .seconds(1)), layout: layout, options: options)
            let answer = await shielded { () -> Result<UInt64, EtcdError> in
                do throws(EtcdError) { return .success(try await hurried.clusterID()) } catch { return .failure(error) }
            }
            clusterID = try answer.get()
        } else {
            clusterID = try await self.clusterID()
        }
        feed.update { $0.clusterID = clusterID }
        return clusterID
    }
}
