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
/// Copies of a client share its connection. When the last copy is dropped, or with ``close()``, the connection ends.
///
/// Methods throw ``EtcdError``. A cancelled task gets ``EtcdError/Code/cancelled`` from whatever it waits for; the call
/// is then cancelled at the server too.
public struct EtcdClient: Sendable {
    /// How the client was made.
    public var configuration: Configuration { core.configuration }
    let core: ClientCore
    let timeout: Duration

    /// Makes a client.
    ///
    /// Nothing is sent before its first use.
    ///
    /// - Parameter configuration: Where the cluster is, and how to reach it.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` or ``EtcdError/Code/invalidArgument`` for a configuration that
    ///   cannot work.
    public init(_ configuration: Configuration) throws(EtcdError) {
        try configuration.validate()
        core = ClientCore(configuration)
        timeout = configuration.callTimeout
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

    private init(core: ClientCore, timeout: Duration) {
        self.core = core
        self.timeout = timeout
    }

    /// The same client with another deadline for its calls.
    ///
    /// - Parameter timeout: How long each call may take in all.
    /// - Returns: A client that shares the connection of this one.
    public func with(timeout: Duration) -> EtcdClient {
        EtcdClient(core: core, timeout: timeout)
    }

    /// Ends the client: closes its connection, and fails its calls, watches and leases that are kept alive.
    ///
    /// All copies are closed with it. Closing twice does nothing.
    public func close() async {
        await core.close()
    }

    /// The thread on which connections live, as an executor.
    ///
    /// Code that makes many small calls saves the way between threads when it runs there:
    /// `await withTaskExecutorPreference(EtcdClient.executor) { … }`. It must not block.
    public static var executor: any TaskExecutor { EventLoop.shared.thread }
}

/// Makes a client, lends it to `body`, and closes it when `body` has returned or thrown.
///
/// - Parameters:
///   - configuration: Where the cluster is, and how to reach it.
///   - body: Uses the client. It runs where the caller runs.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, or ``EtcdError`` for a configuration that cannot work.
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

    init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        channel = Channel(configuration)
        watchHub = WatchHub(channel)
        leaseKeeper = LeaseKeeper(channel)
    }

    deinit {
        EventLoop.execute { [channel, watchHub, leaseKeeper] in
            Self.close(channel, watchHub, leaseKeeper)
        }
    }

    @EventLoop
    func close() {
        Self.close(channel, watchHub, leaseKeeper)
    }

    @EventLoop
    private static func close(_ channel: Channel, _ watchHub: WatchHub, _ leaseKeeper: LeaseKeeper) {
        watchHub.close()
        leaseKeeper.close()
        channel.close()
    }
}

extension EtcdClient {
    /// Makes a unary call: encodes and decodes on the caller's thread, and does the rest on the loop.
    func call<Request, Response>(
        _ method: GRPCMethod<Request, Response>,
        _ request: Request
    ) async throws(EtcdError) -> Response {
        let frame = GRPCFraming.frame { ProtobufEncoder.encode(request, into: &$0) }
        let body = try await core.channel.perform(
            Channel.Request(path: method.path, isRead: method.isRead, frame: frame, deadline: .now + timeout)
        ).get()
        let range: Range<Int>
        do throws(GRPCStatus) {
            range = try GRPCFraming.singleMessage(in: body, limit: configuration.maximumMessageSize)
        } catch {
            throw EtcdError(EtcdError.Code(error), error.message)
        }
        let decoded = body.withUnsafeBytes { bytes in
            ProtobufDecoder.decode(Response.self, from: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        switch decoded {
        case .success(let response): return response
        case .failure(let error):
            throw EtcdError(.protocolViolation, "the answer to \(method.path) is malformed", cause: error)
        }
    }
}
