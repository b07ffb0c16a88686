// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A small HTTP/1.1 server for the API, for programs without a server of their own.
///
/// ```swift
/// let server = HTTPServer(HTTPServer.Options()) { request in
///     HTTPResponse(200, headers: ["Content-Type": "text/plain"], .bytes(Array("\(request.path)\n".utf8)))
/// }
/// try await server.run()
/// ```
///
/// It refuses any request that two parsers could interpret differently. Everything has a limit: sizes, connections, and
/// the time for each step. If a client sends a second request before the first is answered, it gets only the first
/// answer, and the connection ends. The response to a HEAD request has no body.
public struct HTTPServer: Sendable {
    /// The address and the limits of a server.
    public struct Options: Sendable {
        /// The host name or address to listen on.
        ///
        /// With the default, only this machine can connect.
        public var host = "127.0.0.1"
        /// The port; 0 for any free port.
        public var port: UInt16 = 0
        /// The certificate; nil for plaintext.
        public var tls: TLSServerConfiguration?
        /// The size limits of requests.
        public var limits = HTTPLimits()
        /// The largest number of connections; further ones get status 503.
        public var maximumConnections = 256
        /// The time for the first byte on a new connection, and for the head of each request.
        public var headerTimeout = Duration.seconds(10)
        /// The time for the body of a request.
        public var bodyTimeout = Duration.seconds(30)
        /// The time that a connection may be idle.
        public var idleTimeout = Duration.seconds(60)
        /// The time for a client to accept a part of a response, of at most 64 KiB.
        public var writeTimeout = Duration.seconds(30)
        /// The time for running requests to finish when the server stops.
        public var drainTimeout = Duration.seconds(10)

        /// Makes options with the defaults.
        public init() {}
    }

    let options: Options
    let respond: @Sendable (HTTPRequest) async -> HTTPResponse

    /// Makes a server.
    ///
    /// - Parameters:
    ///   - options: The address and the limits.
    ///   - respond: Answers a request. Requests of different connections are answered concurrently.
    public init(_ options: Options = Options(), respond: @escaping @Sendable (HTTPRequest) async -> HTTPResponse) {
        self.options = options
        self.respond = respond
    }

    /// Serves until the task is cancelled.
    ///
    /// Then no client can connect, idle connections and streams end, and running requests have ``Options/drainTimeout``
    /// to finish; after that they are cancelled.
    ///
    /// - Parameter onListening: Called with the port, as soon as clients can connect.
    /// - Throws: ``HTTPServerError`` if the server cannot listen.
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
        // Child tasks would be cancelled together with this one, and could not finish their requests.
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

/// The reason why a server cannot serve.
public struct HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason, with the host and the port.
    public let message: String

    /// The message.
    public var description: String { message }
}
