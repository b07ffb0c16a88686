// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A TCP proxy in front of an etcd member, and the faults of a network that a test can put between the two.
///
/// Point the client at ``endpoint`` instead of the member's. Until a fault is set, the proxy passes on what it gets,
/// half-closed connections and resets included.
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
/// | To test | Use | What becomes of the bytes |
/// |---|---|---|
/// | a slow or narrow network | ``delay(_:_:)``, ``limit(bytesPerSecond:_:)`` | all arrive, later |
/// | a network that is away for a while | ``stall(_:)``, ``resume(_:)`` | all arrive, after `resume` |
/// | a peer that has gone without a word | ``blackhole(_:)`` | they are lost, and the sender is not told |
/// | a server that goes away | ``cut()``, ``cut(afterBytes:_:)``, ``reset()`` | those on the way are lost |
/// | a server that is not there | ``refuseConnections()``, ``acceptConnections()`` | open connections go on |
///
/// A fault is in force when the method returns. The faults of a direction add up, and hold for the connections that are
/// open and for those to come. The proxy keeps at most 256 KiB for each direction of a connection, and then lets the
/// sender wait, so at `delay(d)` a connection passes at most 256 KiB in each `d`.
///
/// The proxy connects to the target anew for each connection that it accepts: the target may be killed and restarted
/// behind it. A client whose connection cannot be passed on is reset. The proxy ends with ``stop()``, or when the last
/// reference is dropped; ``withFaultProxy(to:_:)`` cannot be forgotten.
public final class FaultProxy: Sendable {
    /// Which way bytes go; `both` is the default everywhere.
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
        /// Both ways.
        public static let both: Direction = [.toServer, .toClient]
    }

    /// What a proxy has done so far.
    public struct Counters: Sendable, Hashable {
        /// The connections accepted since the start.
        public var acceptedConnections = 0
        /// The connections that are open now.
        ///
        /// One that ended inside a stall or a blackhole counts until its end has passed, or it is cut.
        public var openConnections = 0
        /// The bytes that were passed on to the server; bytes lost in a blackhole do not count.
        public var bytesToServer = 0
        /// The bytes that were passed on to the client; bytes lost in a blackhole do not count.
        public var bytesToClient = 0
    }

    /// Where the proxy listens, as `127.0.0.1:PORT`.
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
    /// - Parameter endpoint: Where to connect to, as `HOST:PORT`. Nobody needs to listen there yet.
    /// - Returns: The running proxy.
    /// - Throws: `EtcdError` of code `invalidEndpoint`, or ``EtcdTestingError`` of code `system`.
    public static func start(to endpoint: String) async throws -> FaultProxy {
        try await FaultProxy(FaultProxyRelay.start(to: Endpoint(endpoint)))
    }

    /// Cuts all connections, and stops listening; for good.
    ///
    /// Can be called again.
    public func stop() async {
        await relay.stop()
    }

    /// What the proxy has done so far.
    public var counters: Counters {
        get async { await relay.counters }
    }

    // MARK: Late bytes

    /// Holds each chunk of bytes for a time, and the end of a connection too.
    ///
    /// The order is kept. A new delay also applies to the bytes that are being held; zero ends it.
    ///
    /// - Parameters:
    ///   - duration: How long a chunk is held.
    ///   - direction: Which way.
    public func delay(_ duration: Duration, _ direction: Direction = .both) async {
        precondition(duration >= .zero, "a delay cannot be negative")
        await relay.set(direction) { $0.delay = duration }
    }

    /// Passes on no more than so many bytes in a second, over all connections.
    ///
    /// - Parameters:
    ///   - bytesPerSecond: The limit; nil for none.
    ///   - direction: Which way; each has the limit for itself.
    public func limit(bytesPerSecond: Int?, _ direction: Direction = .both) async {
        precondition(bytesPerSecond ?? 1 > 0, "a limit must let something pass")
        await relay.set(direction) { $0.bytesPerSecond = bytesPerSecond }
    }

    /// Passes on nothing until ``resume(_:)``, as a network does that will be repaired.
    ///
    /// Nothing is lost: the proxy stops reading, so that a sender comes to wait once the kernel's buffers are full. The
    /// connections stay open, even those that one side has ended, since the end does not pass either. New connections
    /// are accepted, and are as silent.
    ///
    /// - Parameter direction: Which way.
    public func stall(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .stalled }
    }

    /// Loses all bytes until ``resume(_:)``, as when the peer has gone without a word: a half-open connection.
    ///
    /// The sender can go on sending for ever, and nobody learns of the end of a connection. A connection that has lost
    /// bytes is never repaired, since a byte stream with a hole is nothing that TCP could make: in this direction it
    /// loses the rest too. New connections are accepted, and are whole if they come after `resume`.
    ///
    /// - Parameter direction: Which way.
    public func blackhole(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .lost }
    }

    /// Ends a ``stall(_:)`` or ``blackhole(_:)``.
    ///
    /// - Parameter direction: Which way.
    public func resume(_ direction: Direction = .both) async {
        await relay.set(direction) { $0.passage = .open }
    }

    // MARK: Broken connections

    /// Ends all connections now, in both directions and in an orderly way (FIN).
    ///
    /// New ones are accepted. The client sees it a moment later, so a call made at once may still take the old one.
    public func cut() async {
        await relay.close(.orderly)
    }

    /// Breaks all connections now, for both sides (RST).
    ///
    /// New ones are accepted. The client sees it a moment later, so a call made at once may still take the old one.
    public func reset() async {
        await relay.close(.reset)
    }

    /// Does a ``cut()`` once so many more bytes have passed, and no byte more: in the middle of a message, if you like.
    ///
    /// It cuts once. With several connections, bytes of all of them count.
    ///
    /// - Parameters:
    ///   - count: The number of bytes that still pass; with 0, the next one cuts. Nil calls the cut off.
    ///   - direction: Which way these bytes go; for `both`, each direction counts for itself.
    public func cut(afterBytes count: Int?, _ direction: Direction) async {
        precondition(count ?? 0 >= 0, "a number of bytes cannot be negative")
        await relay.set(direction) { $0.bytesBeforeCut = count }
    }

    // MARK: New connections

    /// Stops listening: whoever connects is refused.
    ///
    /// Open connections go on.
    public func refuseConnections() async {
        await relay.stopListening()
    }

    /// Listens again after ``refuseConnections()``, on the same port.
    ///
    /// - Throws: ``EtcdTestingError``: `stopped` after ``stop()``; `system` if somebody has taken the port, which cannot
    ///   happen on Linux.
    public func acceptConnections() async throws {
        try await relay.listen()
    }
}

/// Starts a proxy, lends it to `body`, and stops it, however `body` ends.
///
/// - Parameters:
///   - endpoint: Where to connect to, as `HOST:PORT`.
///   - body: What to do with the proxy. It runs where the caller runs.
/// - Returns: What `body` returns.
/// - Throws: What ``FaultProxy/start(to:)`` and `body` throw.
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
