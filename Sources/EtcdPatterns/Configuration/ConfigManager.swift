// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A configuration in etcd: a local copy that follows the store, typed reads of it, and changes.
///
/// ```swift
/// try await client.withConfiguration("config/app") { config in
///     try await config.set("database/port", 5432)
///     let port = try config.int("database/port")
/// }
/// ```
///
/// Reads wait for nothing and fail only for what is in the value. They come from ``snapshot``, which is of one revision;
/// who reads several values that belong together takes the snapshot once. What is wrong with the store, or with its newest
/// state, does not touch the last good snapshot: it stays, and ``isStale``, ``rejection`` and ``failure`` tell of it.
///
/// The value of a key is under `<name>/<key>`, as plain text: `etcdctl put config/app/database/port 5433` is a change like
/// any other. Keys that begin with a dot are the library's own.
public final class ConfigManager: ConfigReader {
    /// What the keys of the configuration begin with, before a slash.
    public var name: Key { follower.layout.name }
    let follower: ConfigFollower
    let feed: ConfigFeed
    private let following: Task<Void, Never>

    var client: EtcdClient { follower.client }
    var layout: ConfigLayout { follower.layout }

    /// Reads a configuration, and follows it from now on, until ``close()``.
    ///
    /// If etcd is not reached within ``ConfigOptions/initialWait``, the manager starts with what there is: the values of the
    /// file, or none. ``source`` tells which, and it becomes the state of etcd by itself.
    ///
    /// A state of etcd that the validator refuses is an error here, unless the file has an earlier one. To repair it, put
    /// the value with `etcdctl`, or use ``SnapshotManager/init(_:client:)``, which needs no manager and asks no validator.
    ///
    /// - Parameters:
    ///   - name: What the keys begin with, before a slash, such as `config/app`.
    ///   - client: The way to the cluster.
    ///   - options: What to check, and where to keep a copy.
    /// - Throws: ``ConfigError`` when the state is not acceptable and no file has an earlier one: what the validator
    ///   throws, `damaged`. ``EtcdError`` when the state cannot be read for a reason that does not pass by itself, such as
    ///   `permissionDenied`; `emptyKey` and `invalidArgument` for a name that cannot be one.
    public init(_ name: Key, client: EtcdClient, options: ConfigOptions = ConfigOptions()) async throws {
        let follower = ConfigFollower(client: client, layout: try ConfigLayout(name), options: options)
        let feed = ConfigFeed(try await follower.start())
        self.follower = follower
        self.feed = feed
        // It does not refer to the manager, which owns it.
        following = Task { await follower.run(feed) }
    }

    deinit {
        following.cancel()
        feed.update { $0.isClosed = true }
    }

    /// Ends the manager: its sequences end, and its last snapshot stays.
    ///
    /// The file is written once more, if there is something new. Dropping the manager ends it too.
    public func close() async {
        following.cancel()
        await following.value
    }

    // MARK: How it stands

    /// The last good state; without values as long as ``source`` is ``StateSource/nothing(since:)``.
    public var snapshot: ConfigSnapshot { feed.read(\.current) }

    /// Where ``snapshot`` comes from: from etcd, from the file, or from nowhere yet.
    public var source: StateSource { feed.read(\.source) }

    /// The objection to the newest state of the store; nil if that is the current one.
    public var rejection: ConfigRejection? { feed.read(\.rejection) }

    /// Why the store is not followed at the moment; nil if it is.
    ///
    /// The manager goes on trying. Broken connections alone are no failure, and seen in ``staleness`` and ``source``.
    public var failure: EtcdError? { feed.read(\.failure) }

    /// Why the file could not be read at the start, or not written the last time; nil if it could.
    public var fileFailure: ConfigError? { feed.read(\.fileFailure) }

    /// The current state is known not to be the newest, or not known to be: it is not from etcd, the newest was rejected, or
    /// the store is not followed.
    public var isStale: Bool {
        feed.read { !$0.source.isEtcd || $0.rejection != nil || $0.failure != nil || $0.isClosed }
    }

    /// How long ago it was certain that nothing in the store is newer; nil if it never was, since etcd is away.
    public var staleness: Duration? { feed.read(\.mirror)?.staleness }

    // MARK: Following

    /// The current snapshot, and then the newest whenever there is a new one.
    ///
    /// There is a new one when a value is different. Who is slow skips snapshots. The sequence ends when the manager is closed, or the task is cancelled.
    public var snapshots: ConfigUpdates<ConfigSnapshot> {
        ConfigUpdates(feed: feed) { ($0.goodStates, $0.current) }
    }

    /// The last rejection, if there was one, and those that follow.
    ///
    /// Who is slow gets the newest only. The sequence ends when the manager is closed, or the task is cancelled.
    public var rejections: ConfigUpdates<ConfigRejection> {
        ConfigUpdates(feed: feed) { content in content.lastRejection.map { (content.rejections, $0) } }
    }

    /// The changes of values from now on.
    ///
    /// ```swift
    /// for await change in config.changes(of: "api/timeout") {
    ///     print("\(change.key) was \(change.old ?? "unset"), is \(change.new ?? "unset")")
    /// }
    /// ```
    ///
    /// A value that is put again as it was has not changed. Of several changes of a value that come while the consumer
    /// is busy, or within `interval`, it gets one, from the first old value to the last new one; so the last state is
    /// always told.
    ///
    /// - Parameters:
    ///   - part: A key; what counts is its own value, and those under `<part>/`. Nil for all.
    ///   - interval: How long to wait after changes before the next are looked for.
    /// - Returns: A sequence that begins with this call, for one iteration. It ends when the manager is closed, or the
    ///   task is cancelled.
    public func changes(of part: Key? = nil, interval: Duration = .zero) -> ConfigChanges {
        ConfigChanges(snapshots: snapshots, start: snapshot, part: part, interval: interval)
    }

    /// Waits until the state of `revision`, or a later one, was looked at: it is current then, or rejected.
    ///
    /// - Parameter revision: A revision, such as a change returns.
    /// - Throws: ``EtcdError`` with the code `cancelled`, also when the manager is closed.
    public func waitUntil(revision: Revision) async throws(EtcdError) {
        if await feed.waitUntilJudged(revision) { return }
        throw EtcdError(.cancelled, "the wait has ended before revision \(revision) has come")
    }

    /// Waits for the state of `revision` for as long as a call may take, and no longer: the change is made already.
    func catchUp(with revision: Revision) async {
        _ = try? await withTimeout(client.timeout) { [feed] in await feed.waitUntilJudged(revision) }
    }
}
