// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A configuration in etcd: a local copy that follows the store, typed reads, and changes.
///
/// ```swift
/// try await client.withConfiguration("config/app") { config in
///     try await config.set("database/port", 5432)
///     let port = try config.int("database/port")
/// }
/// ```
///
/// Reads need no call to etcd. They come from ``view``, which is of one revision; to read several values that belong
/// together, take the view once. While the store cannot be reached, or its newest state is rejected, the last good view
/// stays, and ``isStale``, ``rejection`` and ``failure`` show this.
///
/// The value of a key is under `<name>/<key>`, as plain text: `etcdctl put config/app/database/port 5433` is a change like
/// any other. Keys that begin with a dot are reserved for the library.
public final class ConfigManager: ConfigReading {
    /// The beginning of the keys of the configuration, before a slash.
    public var name: String { layout.name.description }
    let follower: ConfigFollower
    let status: SharedState<ConfigStatus>
    private let following: Task<Void, Never>

    var client: EtcdClient { follower.client }
    var layout: ConfigLayout { follower.layout }

    /// Reads a configuration, and follows it until ``close()``.
    ///
    /// If etcd is not reached within ``ConfigOptions/initialWait``, the manager starts with the values of the file, or
    /// without values. ``source`` shows which. It takes the state of etcd as soon as etcd is reached.
    ///
    /// A state of etcd that the validator refuses is an error here, unless the file has an earlier state. To repair it, put
    /// the value with `etcdctl`, or use ``SnapshotManager/init(_:client:)``, which has no validator.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys, before a slash, such as `config/app`.
    ///   - client: The client of the cluster.
    ///   - options: A validator, and a file with a copy.
    ///   - onEvent: Is called with each event, for logs; it should return at once.
    /// - Throws: ``ConfigError`` when the state is not acceptable and no file has an earlier one: the validator's error, or
    ///   `damaged`. ``EtcdError`` when the state cannot be read for a reason that does not pass by itself, such as
    ///   `permissionDenied`; `emptyKey` and `invalidArgument` for a bad name.
    public init(
        _ name: String,
        client: EtcdClient,
        options: ConfigOptions = ConfigOptions(),
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws {
        let follower = ConfigFollower(
            client: client,
            layout: try ConfigLayout(Key(name)),
            options: options,
            reporter: ConfigReporter(onEvent)
        )
        let status = SharedState(try await follower.start())
        self.follower = follower
        self.status = status
        // The task does not refer to the manager, which owns it.
        following = Task { await follower.run(status) }
    }

    deinit {
        following.cancel()
        status.update { $0.isClosed = true }
    }

    /// Ends the manager: its sequences end, and its last view stays.
    ///
    /// The file is written once more if something has changed. A manager also ends when it is dropped.
    public func close() async {
        following.cancel()
        await following.value
    }

    // MARK: State

    /// The last good state; without values as long as ``source`` is ``StateSource/nothing(since:)``.
    public var view: ConfigView { status.withLock { $0.current } }

    /// The source of ``view``: etcd, the file, or nothing yet.
    public var source: StateSource { status.withLock { $0.source } }

    /// The rejection of the newest state of the store; nil if that is the current one.
    public var rejection: ConfigRejection? { status.withLock { $0.rejection } }

    /// The reason why the store is not followed at the moment; nil if it is.
    ///
    /// The manager keeps trying. A broken connection is not a failure, but visible in ``staleness`` and ``source``.
    public var failure: EtcdError? { status.withLock { $0.failure } }

    /// The reason why the file could not be read at the start, or not written the last time; nil if it could.
    public var fileFailure: ConfigError? { status.withLock { $0.fileFailure } }

    /// Whether the current state may not be the newest: it is not from etcd, the newest was rejected, or the store is not
    /// followed.
    public var isStale: Bool {
        status.withLock { !$0.source.isEtcd || $0.rejection != nil || $0.failure != nil || $0.isClosed }
    }

    /// The time since it was last certain that nothing in the store is newer; nil if it never was.
    public var staleness: Duration? { status.withLock { $0.mirror }?.staleness }

    // MARK: Following

    /// The current view, and then the newest one whenever a value is different; a slow consumer skips views.
    ///
    /// The sequence ends when the manager is closed, or the task is cancelled.
    public var views: UpdateSequence<ConfigView, Never> { updates { ($0.goodStates, $0.current) } }

    /// The last rejection, if there was one, and those that follow; a slow consumer gets only the newest.
    ///
    /// The sequence ends when the manager is closed, or the task is cancelled.
    public var rejections: UpdateSequence<ConfigRejection, Never> {
        updates { status in status.lastRejection.map { (status.rejections, $0) } }
    }

    /// The changes of values from now on.
    ///
    /// ```swift
    /// for await change in config.changes(of: "api/timeout") {
    ///     print("\(change.key) was \(change.old ?? "unset"), is \(change.new ?? "unset")")
    /// }
    /// ```
    ///
    /// Putting a value again unchanged is not a change. If a value changes several times while the consumer is busy, or
    /// within `interval`, the consumer gets one change, from the first old value to the last new one. So the last state
    /// is always reported.
    ///
    /// - Parameters:
    ///   - part: A key, which stands for its own value and those under `<part>/`; nil for all.
    ///   - interval: The pause after changes before the next are looked for.
    /// - Returns: A sequence that begins with this call. It ends when the manager is closed, or the task is cancelled.
    public func changes(of part: Key? = nil, interval: Duration = .zero) -> UpdateSequence<ConfigChange, Never> {
        UpdateSequence<ConfigChange, Never> { [start = view, views] in
            var views = views.makeAsyncIterator()
            var last = start
            var pending: ArraySlice<ConfigChange> = []
            var nextLook = ContinuousClock.now
            return {
                while pending.isEmpty {
                    // The next look notices a cancelled pause.
                    if nextLook > .now { try? await Task.sleep(until: nextLook, clock: .continuous) }
                    guard let view = await views.next() else { return nil }
                    pending = view.changes(since: last, under: part)[...]
                    last = view
                    if !pending.isEmpty { nextLook = .after(interval) }
                }
                return pending.popFirst()
            }
        }
    }

    /// The newest element of the status, and the next one whenever its number is different.
    private func updates<Element: Sendable>(
        _ newest: @escaping @Sendable (ConfigStatus) -> (number: Int, Element)?
    ) -> UpdateSequence<Element, Never> {
        UpdateSequence<Element, Never> { [status] in
            var last: Int?
            return {
                let next = try? await status.wait { status -> (number: Int, Element)?? in
                    if let next = newest(status), next.number != last { return .some(next) }
                    return status.isClosed ? .some(nil) : nil
                }
                guard let (number, element) = next ?? nil else { return nil }
                last = number
                return element
            }
        }
    }

    /// Waits until the state of `revision`, or a later one, is current or rejected.
    ///
    /// - Parameter revision: A revision, such as a change returns.
    /// - Throws: `CancellationError`; ``EtcdError`` with the code `cancelled` when the manager is closed.
    public func waitUntil(revision: Revision) async throws {
        if await isJudged(revision) { return }
        try Task.checkCancellation()
        throw EtcdError(.cancelled, "\"\(name)\" was closed before revision \(revision) had come")
    }

    /// Waits for the state of `revision`, but no longer than a call may take, since the change is made already.
    func catchUp(with revision: Revision) async {
        _ = try? await withTimeout(client.timeout) { await self.isJudged(revision) }
    }

    /// Waits until `revision` is current or rejected; false if the task was cancelled, or the configuration closed.
    private func isJudged(_ revision: Revision) async -> Bool {
        let isJudged = try? await status.wait { status -> Bool? in
            if let judged = status.judged, judged.revision >= revision { return true }
            return status.isClosed ? false : nil
        }
        return isJudged ?? false
    }
}

extension EtcdClient {
    /// Follows a configuration while `body` runs.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys, before a slash, such as `config/app`.
    ///   - options: A validator, and a file with a copy.
    ///   - onEvent: Is called with each event, for logs; it should return at once.
    ///   - body: Uses the configuration, which ends with the scope. It runs on the caller's actor.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; the errors of ``ConfigManager/init(_:client:options:onEvent:)``.
    @discardableResult
    public func withConfiguration<Result>(
        _ name: String,
        options: ConfigOptions = ConfigOptions(),
        onEvent: @escaping @Sendable (ConfigManager.Event) -> Void = { _ in },
        _ body: (ConfigManager) async throws -> Result
    ) async throws -> Result {
        let config = try await ConfigManager(name, client: self, options: options, onEvent: onEvent)
        return try await releasing({ await config.close() }, after: { try await body(config) })
    }
}
