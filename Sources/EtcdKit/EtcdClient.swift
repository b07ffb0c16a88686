// SPDX-License-Identifier: Apache-2.0

/// A client of an etcd cluster.
///
/// ```swift
/// let client = try EtcdClient(endpoints: "127.0.0.1:2379")
/// try await client.put("greeting", "hello")
/// print(try await client.get("greeting")?.value ?? "nothing")
/// await client.close()
/// ```
///
/// A client connects when it is first used, and again when a connection breaks. Copies of a client share its
/// connections. When the last copy is dropped, or with ``close()``, the connections end.
///
/// Methods throw ``EtcdError``. In a cancelled task, they throw ``EtcdError/Code/cancelled``, and the call is cancelled
/// at the server, too.
public struct EtcdClient: Sendable {
    /// How the client was made.
    public var configuration: Configuration { core.configuration }
    let core: ClientCore
    package private(set) var timeout: Duration
    package private(set) var retry: RetryPolicy
    /// The fields that go with each call.
    private(set) var metadata: CallMetadata
    private(set) var waitsForConnection: Bool
    /// The namespace of the client's keys; nil for the whole store.
    var scope: Namespace?
    /// The prefix of all keys of the client; empty for the whole store.
    public var namespace: Key { scope?.prefix ?? "" }

    /// Makes a client.
    ///
    /// Nothing is sent before its first use.
    ///
    /// - Parameter configuration: Where the cluster is, and how to reach it.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` or ``EtcdError/Code/invalidArgument`` for a configuration that
    ///   cannot work.
    public init(_ configuration: Configuration) throws(EtcdError) {
        self.init(ClientCore(try configuration.checked()))
    }

    /// The client of a core, with the settings of its configuration.
    init(_ core: ClientCore) {
        self.core = core
        timeout = core.configuration.callTimeout
        retry = core.configuration.retry
        metadata = core.configuration.metadata
        waitsForConnection = core.configuration.waitsForConnection
    }

    /// Makes a client with default settings.
    ///
    /// - Parameter endpoints: The members of the cluster, separated by commas, such as `10.0.0.1:2379,10.0.0.2:2379`.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
    public init(endpoints: String) throws(EtcdError) {
        try self.init(Configuration(endpoints: endpoints))
    }

    /// Makes a client with default settings.
    ///
    /// - Parameter endpoints: The members of the cluster, at least one, each such as `10.0.0.1:2379`.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
    public init(endpoints: [String]) throws(EtcdError) {
        try self.init(Configuration(endpoints: endpoints))
    }

    /// The same client with another deadline for its calls.
    ///
    /// - Parameter timeout: How long each call may take in total. With zero or less, each throws
    ///   ``EtcdError/Code/deadlineExceeded`` and nothing is sent.
    /// - Returns: A client that shares the connections of this one.
    public func with(timeout: Duration) -> EtcdClient {
        var client = self
        client.timeout = min(timeout, timeout.bounded)
        return client
    }

    /// The same client with another policy for calls that fail.
    ///
    /// - Parameter retry: When a call that failed is made again.
    /// - Returns: A client that shares the connections of this one.
    public func with(retry: RetryPolicy) -> EtcdClient {
        var client = self
        client.retry = retry.bounded
        return client
    }

    /// The same client with more fields in its calls.
    ///
    /// Watches and lease renewals, which share streams, have the fields of ``Configuration/metadata`` only.
    ///
    /// - Parameter metadata: The fields to add to those of this client.
    /// - Returns: A client that shares the connections of this one.
    public func with(metadata: CallMetadata) -> EtcdClient {
        var client = self
        client.metadata = self.metadata.adding(metadata)
        return client
    }

    /// The same client, whose calls wait for a connection or fail fast.
    ///
    /// - Parameter waitsForConnection: See ``Configuration/waitsForConnection``.
    /// - Returns: A client that shares the connections of this one.
    public func with(waitsForConnection: Bool) -> EtcdClient {
        var client = self
        client.waitsForConnection = waitsForConnection
        return client
    }

    /// The same client for the keys under a prefix only, which it names without the prefix.
    ///
    /// ```swift
    /// let team = client.with(namespace: "team-a/")
    /// try await team.put("owner", "me")     // puts team-a/owner
    /// try await team.delete(.all)           // deletes what is under team-a/, and nothing else
    /// ```
    ///
    /// All calls, transactions, watches and answers are about those keys as if there were no others. A key has at least
    /// one byte within the namespace too, so an empty one throws `emptyKey` (a watch of it `invalidArgument`), and the key
    /// that equals the prefix is not in the namespace. A namespace within a namespace has both prefixes.
    ///
    /// Revisions, compactions, leases, members, users and the keys in permissions are those of the whole cluster: changes
    /// elsewhere make revisions too, `compact` drops the history of all keys, and ``Leases/revoke(_:)`` deletes all keys of
    /// a lease. ``Leases/timeToLive(of:withKeys:)`` leaves out the keys that are outside.
    ///
    /// A namespace keeps keys apart, not users: what a user may do is for etcd's roles to say.
    ///
    /// - Parameter namespace: The prefix, which is best ended by a separator; an empty one changes nothing.
    /// - Returns: A client that shares the connections of this one.
    public func with(namespace: Key) -> EtcdClient {
        var client = self
        client.scope = Namespace(prefix: self.namespace + namespace)
        return client
    }

    /// Ends the client: closes its connections, and fails its calls, watches and leases that are kept alive.
    ///
    /// All copies are closed with it. Patterns that still clean up, such as a lock that was cancelled without an answer, get
    /// two seconds for that first. Closing twice does nothing.
    public func close() async {
        await core.close()
    }

    /// Tells the user of an event.
    package func report(_ event: @autoclosure () -> Event) { core.channel.report(event()) }

    /// The thread on which connections live, as an executor.
    ///
    /// Code that makes many small calls avoids switching threads when it runs there:
    /// `await withTaskExecutorPreference(EtcdClient.executor) { … }`. It must not block.
    public static var executor: any TaskExecutor { LoopThread.preference }
}

/// Makes a client, lends it to `body`, and closes it when `body` has returned or thrown.
///
/// - Parameters:
///   - configuration: Where the cluster is, and how to reach it.
///   - body: Uses the client. It runs where the caller runs.
/// - Returns: The result of `body`.
/// - Throws: The error of `body`, or ``EtcdError`` for a configuration that cannot work.
@discardableResult
public func withEtcdClient<Result>(
    _ configuration: EtcdClient.Configuration,
    _ body: (EtcdClient) async throws -> Result
) async throws -> Result {
    let client = try EtcdClient(configuration)
    do {
        let result = try await body(client)
        await client.close()
        return result
    } catch {
        await client.close()
        throw error
    }
}

/// Makes a client with default settings, lends it to `body`, and closes it when `body` has returned or thrown.
///
/// - Parameters:
///   - endpoints: The members of the cluster, separated by commas.
///   - body: Uses the client. It runs where the caller runs.
/// - Returns: The result of `body`.
/// - Throws: The error of `body`, or ``EtcdError/Code/invalidEndpoint``.
@discardableResult
public func withEtcdClient<Result>(
    endpoints: String,
    _ body: (EtcdClient) async throws -> Result
) async throws -> Result {
    try await withEtcdClient(EtcdClient.Configuration(endpoints: endpoints), body)
}
