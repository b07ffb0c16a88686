// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A small server of HTTP/1.1, for the API where no other server is at hand.
///
/// ```swift
/// let server = HTTPServer(HTTPServer.Options()) { request in
///     HTTPResponse(200, headers: ["Content-Type": "text/plain"], .bytes(Array("\(request.path)\n".utf8)))
/// }
/// try await server.run()
/// ```
///
/// It refuses all that two readers could understand differently, and everything has a limit: sizes, connections, and the
/// time for each step. A client that sends a second request before the first is answered gets that one answer, and the
/// connection ends. The response to a HEAD request is sent without its body.
public struct HTTPServer: Sendable {
    /// Where a server listens, and its limits.
    public struct Options: Sendable {
        /// The name or address on which it listens; other machines reach it only if this is changed.
        public var host = "127.0.0.1"
        /// The port; 0 for any that is free.
        public var port: UInt16 = 0
        /// The certificate with which it shows itself; nil for plaintext.
        public var tls: TLSServerConfiguration?
        /// How large requests may be.
        public var limits = HTTPLimits()
        /// The connections at a time; a further one is answered with status 503.
        public var maximumConnections = 256
        /// How long a client may take for the first byte on a new connection, and then for the head of each request.
        public var headerTimeout = Duration.seconds(10)
        /// How long a client may take for the body of a request.
        public var bodyTimeout = Duration.seconds(30)
        /// How long a connection may stay without another request.
        public var idleTimeout = Duration.seconds(60)
        /// How long a client may take to accept a part of a response, of 64 KiB at most.
        public var writeTimeout = Duration.seconds(30)
        /// How long requests may still run once the server is to stop.
        public var drainTimeout = Duration.seconds(10)

        /// Makes options with their defaults.
        public init() {}
    }

    let options: Options
    let respond: @Sendable (HTTPRequest) async -> HTTPResponse

    /// Makes a server.
    ///
    /// - Parameters:
    ///   - options: Where it listens, and its limits.
    ///   - respond: Answers a request; requests of different connections are answered side by side.
    public init(_ options: Options = Options(), respond: @escaping @Sendable (HTTPRequest) async -> HTTPResponse) {
        self.options = options
        self.respond = respond
    }

    /// Serves until the task is cancelled.
    ///
    /// From then on nobody can connect, idle connections and streams end, and requests that run have
    /// ``Options/drainTimeout``; those that take longer are cancelled.
    ///
    /// - Parameter onListening: Called with the port, once clients can connect.
    /// - Throws: ``HTTPServerError`` if the server cannot listen there.
    public func run(onListening: @Sendable (UInt16) -> Void = { _ in }) async throws(HTTPServerError) {
        let listener: ByteListener
        do throws(ByteStreamError) {
            listener = try await ByteListener.listen(host: options.host, port: options.port, tls: options.tls)
        } catch  where error.reason == .cancelled {
            return
        } catch {
            let place = Endpoint.authority(options.host, options.port)
            throw HTTPServerError(message: "cannot serve HTTP on \(place): \(error.message)")
        }
        onListening(listener.port)
        let connections = HTTPConnections(maximum: options.maximumConnections)
        let (stopped, stop) = AsyncStream<Never>.makeStream()
        // Child tasks would be cancelled together with this one, and could not finish what they do.
        let serving = Task { await serve(listener, connections, until: stopped) }
        await withTaskCancellationHandler {
            await serving.value
        } onCancel: {
            stop.finish()
            listener.close()
            connections.stop()
        }
    }

    private func serve(_ listener: ByteListener, _ connections: HTTPConnections, until stopped: AsyncStream<Never>)
        async
    {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in stopped {}
                await Task.pause(for: options.drainTimeout)
            }
            group.addTask { await accept(listener, connections) }
            await group.next()
            group.cancelAll()
        }
    }

    /// Accepts connections until the listener is closed, and returns when all of them have ended.
    private func accept(_ listener: ByteListener, _ connections: HTTPConnections) async {
        await withDiscardingTaskGroup { group in
            while let stream = try? await listener.accept() {
                group.addTask {
                    await HTTPConnection(stream: stream, server: self, connections: connections).serve()
                }
            }
        }
    }
}

/// Why a server cannot serve.
public struct HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason, with the host and the port.
    public let message: String

    /// The message.
    public var description: String { message }
}
