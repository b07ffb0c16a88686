// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A TCP proxy in front of an etcd member that injects network faults.
///
/// Connect the client to ``endpoint`` instead of the member's endpoint. Without faults, the proxy passes on all data,
/// half-closed connections and resets.
///
/// ```swift
/// try await withEtcdCluster { cluster in
///     try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
///         let client = try EtcdClient(endpoints: proxy.endpoint)
///         await proxy.delay(.milliseconds(100), .toClient)
///         …
///         await proxy.cut()
///         …
///     }
/// }
/// ```
///
/// | To test | Use | Effect on the data |
/// |---|---|---|
/// | a slow or narrow network | ``delay(_:_:)``, ``limit(bytesPerSecond:_:)`` | all arrive, later |
/// | a temporary network outage | ``stall(_:)``, ``resume(_:)`` | all arrive, after `resume` |
/// | a peer that disappears silently | ``blackhole(_:)`` | they are lost, without a notice to the sender |
/// | a server that closes connections | ``cut()``, ``cut(afterBytes:_:)``, ``reset()`` | data in flight are lost |
/// | a server that is down | ``refuseConnections()``, ``acceptConnections()`` | open connections continue |
///
/// A fault is active when the method returns. Faults of a direction combine, and apply to open and new connections. The
/// proxy buffers at most 256 KiB per direction of a connection, and then makes the sender wait. So with `delay(d)`, a
/// connection passes at most 256 KiB in each `d`.
///
/// The proxy opens a new connection to the target for each connection that it accepts, so the target may be killed and
/// restarted behind it. If a connection to the target fails, the client's connection is reset. The proxy ends with
/// ``stop()``, or when the last reference is dropped; ``withFaultProxy(to:_:)`` always stops it.
public final class FaultProxy: Sendable {
    /// The direction of data; `both` is the default everywhere.
    public struct Direction: OptionSet, Sendable, Hashable {
        /// The directions as bits.
        public let rawValue: Int

        /// Makes directions from their bits.
        ///
        /// - Parameter rawValue: The bits.
        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// From the client to the server: requests.
        public static let toServer = Direction(rawValue: 1)
        /// From the server to the client: responses and watch events.
        public static let toClient = Direction(rawValue: 2)
        /// Both directions.
        public static let both: Direction = [.toServer, .toClient]
    }

    /// The activity of a proxy so far.
    public struct Counters: Sendable, Hashable {
        /// The number of accepted connections.
        public var acceptedConnections = 0
        /// The number of open connections.
        ///
        /// A connection that ended during a stall or a blackhole counts until its end has passed, or it is cut.
        public var openConnections = 0
        /// The bytes passed on to the server, without those lost in a blackhole.
        public var bytesToServer = 0
        /// The bytes passed on to the client, without those lost in a blackhole.
        public var bytesToClient = 0
    }

    /// The address on which the proxy listens, as `127.0.0.1:PORT`.
    public let endpoint: String

    private let relay: FaultProxyRelay

    private init(_ relay: FaultProxyRelay) {
        self.relay = relay
        endpoint = relay.endpoint
    }

    deinit {
        EventLoop.execute { [relay] in relay.stop() }
    }

    /// Starts a proxy on a free port of 127.0.0.1.
    ///
    /// - Parameter endpoint: The target, as `HOST:PORT`. It need not be running yet.
    /// - Returns: The running proxy.
    /// - Throws: `EtcdError` of code `invalidEndpoint`, or ``EtcdTestingError`` of code `system`.
    public static func start(to endpoint: String) async throws -> FaultProxy {
        try await FaultProxy(FaultProxyRelay.start(to: Endpoint(endpoint)))
    }

    /// Closes all connections, and stops listening permanently.
    ///
    /// It can be called several times.
    public func stop() async {
        await relay.stop()
    }

    /// The activity of the proxy so far.
    public var counters: Counters {
        get async { await relay.counters }
    }

    // MARK: Delays

    /// Delays each chunk of data, and the end of a connection.
    ///
    /// The order is kept. A new delay also applies to delayed data; zero ends it.
    ///
    /// - Parameters:
    ///   - duration: The delay.
    ///   - direction: The direction.
    public func delay(_ duration: Duration, _ direction: Direction = .both) async {
        precondition(duration >= .zero, "a delay cannot be negative")
        await relay.set(direction) { $0.delay = duration }
    }

    /// Limits the rate of all connections together.
    ///
    /// - Parameters:
    ///   - bytesPerSecond: The limit; nil for none.
    ///   - direction: The direction; each direction has its own limit.
    public func limit(bytesPerSecond: Int?, _ direction: Direction = .both) async {
        precondition(bytesPerSecond ?? 1 > 0, "a limit must let something pass")
        await relay.set(direction) { $0.bytesPerSecond = bytesPerSecond }
    }

    /// Passes on nothing until ``resume(_:)``, like a temporary network outage.
    ///
    /// Nothing is lost: the proxy stops reading, so a sender must wait when the kernel's buffers are full. Connections
    /// stay open, even if one side has ended them, because the end does not pass either. New connections are accepted,
    /// and are stalled as well.
    ///
    /// - Parameter direction: The direction.
    public func stall(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .stalled }
    }

    /// Drops all data until ``resume(_:)``, like a peer that disappeared silently: a half-open connection.
    ///
    /// The sender can send forever, and neither side learns of the end of a connection. A connection that has lost data
    /// is never repaired, because TCP cannot produce a stream with a gap: it loses the rest in this direction too. New
    /// connections are accepted; those after `resume` work.
    ///
    /// - Parameter direction: The direction.
    public func blackhole(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .lost }
    }

    /// Ends a ``stall(_:)`` or ``blackhole(_:)``.
    ///
    /// - Parameter direction: The direction.
    public func resume(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .open }
    }

    // MARK: Broken connections

    /// Closes all connections now, in both directions, with a FIN.
    ///
    /// New connections are accepted. The client notices a moment later, so an immediate call may still use the old
    /// connection.
    public func cut() async {
        await relay.close(.orderly)
    }

    /// Resets all connections now, on both sides (RST).
    ///
    /// New connections are accepted. The client notices a moment later, so an immediate call may still use the old
    /// connection.
    public func reset() async {
        await relay.close(.reset)
    }

    /// Performs a ``cut()`` after exactly this many further bytes, for example in the middle of a message.
    ///
    /// It cuts once. With several connections, the bytes of all of them count.
    ///
    /// - Parameters:
    ///   - count: The number of bytes that still pass; with 0, the next byte cuts. Nil cancels the cut.
    ///   - direction: The direction of these bytes; for `both`, each direction counts separately.
    public func cut(afterBytes count: Int?, _ direction: Direction) async {
        precondition(count ?? 0 >= 0, "a number of bytes cannot be negative")
        await relay.set(direction) { $0.bytesBeforeCut = count }
    }

    // MARK: New connections

    /// Stops listening, so that new connections are refused.
    ///
    /// Open connections continue.
    public func refuseConnections() async {
        await relay.stopListening()
    }

    /// Listens again after ``refuseConnections()``, on the same port.
    ///
    /// - Throws: ``EtcdTestingError``: `stopped` after ``stop()``; `system` if another process has taken the port,
    ///   which cannot happen on Linux.
    public func acceptConnections() async throws {
        try await relay.listen()
    }
}

/// Starts a proxy, runs `body` with it, and stops it, however `body` ends.
///
/// - Parameters:
///   - endpoint: The target, as `HOST:PORT`.
///   - body: The work with the proxy. It runs in the isolation of the caller.
/// - Returns: The result of `body`.
/// - Throws: The errors of ``FaultProxy/start(to:)`` and `body`.
@discardableResult
public func withFaultProxy<Result>(
    to endpoint: String,
    _ body: (FaultProxy) async throws -> Result
) async throws -> Result {
    let proxy = try await FaultProxy.start(to: endpoint)
    do {
        let result = try await body(proxy)
        await proxy.stop()
        return result
    } catch {
        await proxy.stop()
        throw error
    }
}
