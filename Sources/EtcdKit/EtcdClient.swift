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
/// A client works from the moment it is made: it connects when it is first used, and again when a connection breaks.
/// Copies of a client share its connections. When the last copy is dropped, or with ``close()``, the connections end.
///
/// Methods throw ``EtcdError``. A cancelled task gets ``EtcdError/Code/cancelled`` from whatever it waits for; the call
/// is then cancelled at the server too.
public struct EtcdClient: Sendable {
    /// How the client was made.
    public var configuration: Configuration { core.configuration }
    let core: ClientCore
    package let timeout: Duration
    package let retry: RetryPolicy
    /// Where the client's keys are; nil for the whole store.
    let scope: Namespace?

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
        self.init(core: core, timeout: core.configuration.callTimeout, retry: core.configuration.retry)
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

    init(core: ClientCore, timeout: Duration, retry: RetryPolicy, namespace: Namespace? = nil) {
        self.core = core
        self.timeout = timeout
        self.retry = retry
        scope = namespace
    }

    /// The same client with another deadline for its calls.
    ///
    /// - Parameter timeout: How long each call may take in all. With zero or less, each throws
    ///   ``EtcdError/Code/deadlineExceeded`` and nothing is sent.
    /// - Returns: A client that shares the connections of this one.
    public func with(timeout: Duration) -> EtcdClient {
        EtcdClient(core: core, timeout: min(timeout, timeout.bounded), retry: retry, namespace: scope)
    }

    /// The same client with another policy for calls that fail.
    ///
    /// - Parameter retry: When a call that failed is made again.
    /// - Returns: A client that shares the connections of this one.
    public func with(retry: RetryPolicy) -> EtcdClient {
        EtcdClient(core: core, timeout: timeout, retry: retry.bounded, namespace: scope)
    }

    /// Ends the client: closes its connections, and fails its calls, watches and leases that are kept alive.
    ///
    /// All copies are closed with it. Patterns that still clean up, such as a lock that was cancelled without an answer, get
    /// two seconds for that first. Closing twice does nothing.
    public func close() async {
        await core.close()
    }

    /// The thread on which connections live, as an executor.
    ///
    /// Code that makes many small calls saves the way between threads when it runs there:
    /// `await withTaskExecutorPreference(EtcdClient.executor) { … }`. It must not block.
    public static var executor: any TaskExecutor { LoopThread.preference }
}

/// Makes a client, lends it to `body`, and closes it when `body` has returned or thrown.
///
/// - Parameters:
///   - configuration: Where the cluster is, and how to reach it.
///   - body: Uses the client. It runs where the caller runs.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, or ``EtcdError`` for a configuration that cannot work.
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
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, or ``EtcdError/Code/invalidEndpoint``.
@discardableResult
public func withEtcdClient<Result>(
    endpoints: String,
    _ body: (EtcdClient) async throws -> Result
) async throws -> Result {
    try await withEtcdClient(EtcdClient.Configuration(endpoints: endpoints), body)
}

/// What all copies of a client share.
///
/// When the last is gone, so is the connection.
final class ClientCore: Sendable {
    let configuration: EtcdClient.Configuration
    let channel: Channel
    let watchHub: WatchHub
    let leaseKeeper: LeaseKeeper
    let background = BackgroundWork()
    /// Work whose result several callers wait for; it is cancelled when the client is closed.
    let common = BackgroundWork()
    fileprivate let parts = Lock<[ObjectIdentifier: any Sendable]>([:])

    private let endpointSync = Lock<Task<Void, Never>?>(nil)

    init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        channel = Channel(configuration)
        watchHub = WatchHub(channel)
        leaseKeeper = LeaseKeeper(channel)
        guard let interval = configuration.endpointSyncInterval else { return }
        let task = Task { [weak self] in
            while (try? await Task.sleep(for: interval)) != nil, let core = self {
                do throws(EtcdError) {
                    try await EtcdClient(core).syncEndpoints()
                } catch {
                    configuration.onEvent?(.endpointSyncFailed(error))
                }
            }
        }
        endpointSync.withLock { $0 = task }
    }

    deinit {
        endpointSync.withLock { $0?.cancel() }
        EventLoop.execute { [channel, watchHub, leaseKeeper] in
            Self.close(channel, watchHub, leaseKeeper)
        }
    }

    func close() async {
        let sync = endpointSync.withLock { $0.take() }
        sync?.cancel()
        await background.close(within: .seconds(2))
        await Self.close(channel, watchHub, leaseKeeper)
        // Without connections, it fails at once.
        await common.close(within: .zero)
        await sync?.value
    }

    @EventLoop
    private static func close(_ channel: Channel, _ watchHub: WatchHub, _ leaseKeeper: LeaseKeeper) {
        watchHub.close()
        leaseKeeper.close()
        channel.close()
    }
}

extension EtcdClient {
    /// Something that another module keeps for all copies of the client: one of each type, made when it is first asked for.
    package func part<Part: AnyObject & Sendable>(_ make: () -> Part) -> Part {
        core.parts.withLock { parts in
            if let part = parts[ObjectIdentifier(Part.self)] as? Part { return part }
            let part = make()
            parts[ObjectIdentifier(Part.self)] = part
            return part
        }
    }
}
