// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps a configuration current: follows the store, validates each state, and writes the file.
struct ConfigFollower: Sendable {
    let client: EtcdClient
    let layout: ConfigLayout
    let options: ConfigOptions
    let reporter: ConfigReporter

    private var file: ConfigFile? { options.file.map { ConfigFile(options: $0, layout: layout) } }

    // MARK: The beginning

    /// The status to begin with: from the store, or from the file if the store cannot be reached or has a bad state.
    ///
    /// - Throws: The reason why the state of the store is not acceptable, if there is no earlier one; `EtcdError` if it
    ///   cannot be read for a reason that does not pass by itself.
    func start() async throws -> ConfigStatus {
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

    private func begin(with content: MirrorView) async throws(ConfigError) -> ConfigStatus {
        let now = ContinuousClock.now
        if content.revision == 0 {
            var nothing = ConfigStatus(current: reporting(ConfigView(content, layout)), source: .nothing(since: now))
            guard let file, file.exists else { return nothing }
            do throws(ConfigError) {
                return ConfigStatus(current: try await load(file).view, source: .file(since: now))
            } catch {
                nothing.fileFailure = error
                reporter.onEvent(.fileFailed(error))
                return nothing
            }
        }
        var overlay = ConfigOverlay(layout: layout)
        let verdict = judge(content, &overlay)
        let clusterID = file == nil ? nil : try? await clusterID(client)
        var start: ConfigStatus
        switch verdict {
        case .success(let view): start = ConfigStatus(current: view, source: .etcd(since: now))
        case .failure(let error):
            // The last good state is that of an earlier run with the same cluster.
            guard let file, let kept = try? await load(file), kept.clusterID == clusterID else { throw error }
            start = ConfigStatus(current: kept.view, source: .file(since: now))
        }
        start.note(verdict, isNew: false, of: content)
        start.clusterID = clusterID
        return start
    }

    /// Reads the file, whose state must be acceptable too.
    private func load(_ file: ConfigFile) async throws(ConfigError) -> ConfigFile.Content {
        let content = try await file.load()
        try options.check(content.view)
        return ConfigFile.Content(view: reporting(content.view), clusterID: content.clusterID)
    }

    private func reporting(_ view: ConfigView) -> ConfigView { view.reporting(to: reporter.reportDefault) }

    private func openMirror() async throws(EtcdError) -> KeyMirror {
        var mirrorOptions = MirrorOptions()
        mirrorOptions.initialWait = options.initialWait
        return try await client.mirror(of: layout.range, options: mirrorOptions)
    }

    private func clusterID(_ client: EtcdClient) async throws(EtcdError) -> UInt64 {
        try await client.range(.key(layout.pointer)).header.clusterID
    }

    /// The configuration in `content`, if it is acceptable.
    private func judge(_ content: MirrorView, _ overlay: inout ConfigOverlay) -> Result<ConfigView, ConfigError> {
        do throws(ConfigError) {
            let view = try overlay.view(of: content)
            try options.check(view)
            return .success(reporting(view))
        } catch {
            reporter.onEvent(.rejected(ConfigRejection(revision: content.revision, error: error)))
            return .failure(error)
        }
    }

    // MARK: Following

    /// Keeps `status` current until the task is cancelled, or the client closed.
    func run(_ status: SharedState<ConfigStatus>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await follow(status) }
            if let file { group.addTask { await keep(file, status) } }
            await group.next()
            group.cancelAll()
        }
        status.update { $0.isClosed = true }
    }

    private func follow(_ status: SharedState<ConfigStatus>) async {
        var overlay = ConfigOverlay(layout: layout)
        var failures = 0
        var first = status.withLock { $0.mirror }
        while !Task.isCancelled {
            var last: KeyMirror?
            do throws(EtcdError) {
                let mirror: KeyMirror
                if let first { mirror = first } else { mirror = try await openMirror() }
                last = mirror
                status.update { $0.mirror = mirror }
                // The revision is 0 until etcd is reached.
                for try await content in mirror.views where content.revision > 0 {
                    failures = 0
                    look(at: content, &overlay, status)
                }
            } catch {
                let isNew = status.withLock { $0.failure?.code } != error.code
                status.update { $0.failure = error }
                if error.code == .clientClosed { break }
                if isNew, !Task.isCancelled { reporter.onEvent(.followingFailed(error)) }
            }
            await last?.close()
            first = nil
            failures += 1
            // The loop notices a cancelled pause.
            try? await Task.sleep(for: Backoff().delay(afterFailures: failures))
        }
        let mirror = status.withLock { $0.mirror }
        await mirror?.close()
    }

    private func look(at content: MirrorView, _ overlay: inout ConfigOverlay, _ status: SharedState<ConfigStatus>) {
        let (judged, current, source) = status.withLock { ($0.judged, $0.current, $0.source) }
        // The revision of the store may grow without a change of the configuration.
        if let judged, judged.count == content.count, judged.elementsEqual(content) {
            status.update { ($0.judged, $0.failure) = (content, nil) }
            return
        }
        let verdict = judge(content, &overlay)
        // Putting a value again unchanged, or copying it, makes no new state. The values are compared outside the lock,
        // so that readers do not wait.
        var isNew = !source.isEtcd
        if case .success(let view) = verdict, !isNew { isNew = !view.hasSameValues(as: current) }
        status.update { status in
            status.note(verdict, isNew: isNew, of: content)
            status.failure = nil
        }
    }

    // MARK: The file

    /// Writes the file whenever a value has changed, and once more at the end.
    private func keep(_ file: ConfigFile, _ status: SharedState<ConfigStatus>) async {
        var saved: (view: ConfigView, at: ContinuousClock.Instant)?
        // An unchanged state is written again, so that its age in the file stays low.
        let refresh = max(.seconds(1), min((file.options.maximumAge ?? .seconds(3600)) / 10, .seconds(3600)))
        while true {
            let isLast = Task.isCancelled
            let (current, source, mirror, isRejected) = status.withLock {
                ($0.current, $0.source, $0.mirror, $0.rejection != nil)
            }
            let isNew = saved.map { !$0.view.hasSameValues(as: current) } ?? true
            // A state that is known not to be the newest is not written again.
            let isDue = saved.map { $0.at + refresh < .now && !isRejected } ?? true
            if source.isEtcd, let age = mirror?.staleness, isNew || isDue {
                do {
                    try await file.save(current, of: try await identify(status, isLast: isLast), age: age)
                    saved = (current, .now)
                    status.update { $0.fileFailure = nil }
                } catch {
                    let text = "the file \(file.options.path) could not be written"
                    let failure = ConfigError(.fileNotWritten, text, cause: error)
                    let isNew = status.update { status in
                        defer { status.fileFailure = failure }
                        return status.fileFailure?.code != .fileNotWritten
                    }
                    if isNew { reporter.onEvent(.fileFailed(failure)) }
                }
            }
            if isLast { return }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// The cluster of the state, which is another one after the restoration of a backup.
    private func identify(_ status: SharedState<ConfigStatus>, isLast: Bool) async throws(EtcdError) -> UInt64 {
        if isLast, let known = status.withLock({ $0.clusterID }) { return known }
        let clusterID: UInt64
        if isLast {
            // The task is cancelled already, and the end does not wait for long.
            let hurried = client.with(timeout: .seconds(1))
            clusterID = try await withoutCancellation { () throws(EtcdError) in try await self.clusterID(hurried) }
        } else {
            clusterID = try await self.clusterID(client)
        }
        status.update { $0.clusterID = clusterID }
        return clusterID
    }
}

/// The state of a configuration, which a manager and its ``ConfigFollower`` share.
struct ConfigStatus: Sendable {
    /// The last good state.
    var current: ConfigView
    /// The source of it.
    var source: StateSource
    /// The number of good states.
    private(set) var goodStates = 0
    /// The keys that were validated last, valid or not.
    var judged: MirrorView?
    /// The rejection of the newest state; nil if that is the current one.
    private(set) var rejection: ConfigRejection?
    private(set) var lastRejection: ConfigRejection?
    private(set) var rejections = 0
    /// The reason why the store is not followed at the moment; nil if it is.
    var failure: EtcdError?
    /// The reason why the file could not be read at the start, or written; nil if it was.
    var fileFailure: ConfigError?
    var mirror: KeyMirror?
    /// The cluster of the state; nil before it was requested.
    var clusterID: UInt64?
    var isClosed = false

    /// Notes the verdict on a state; `isNew` if a value is different.
    mutating func note(_ verdict: Result<ConfigView, ConfigError>, isNew: Bool, of state: MirrorView) {
        judged = state
        switch verdict {
        case .success(let view):
            rejection = nil
            current = view
            if !source.isEtcd { source = .etcd(since: .now) }
            if isNew { goodStates += 1 }
        case .failure(let error):
            rejection = ConfigRejection(revision: state.revision, error: error)
            lastRejection = rejection
            rejections += 1
        }
    }
}
