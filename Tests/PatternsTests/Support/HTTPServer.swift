// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

/// A server of 127.0.0.1 that answers each request with a page, after a while.
@EventLoop
final class HTTPServer {
    nonisolated let port: Int
    /// All that it was asked.
    private(set) var requests: [String] = []
    /// Requests that were answered.
    private(set) var answers = 0
    private var status: Int? = 200
    private let page: String
    private let delay: Duration
    private var listener: Socket?
    private var connections: [Int32: Connection] = [:]

    private final class Connection {
        let socket: Socket
        var received: [UInt8] = []

        init(_ descriptor: Int32) { socket = Socket(adopting: descriptor) }
    }

    init(_ page: String = "ok", after delay: Duration = .zero) throws {
        self.page = page
        self.delay = delay
        let address = try #require(try Platform.addresses(of: "127.0.0.1", port: 0, numeric: true).get().first)
        let listener = try Socket.listening(on: address)
        port = Int(try listener.localPort())
        let descriptor = listener.descriptor
        self.listener = consume listener
        EventLoop.watch(descriptor) { [weak self] _ in self?.accept() }
    }

    /// Answers with this status from now on; nil answers nothing at all.
    func answer(with status: Int?) { self.status = status }

    /// Requests that are not answered yet.
    var inFlight: Int { connections.count }

    /// Ends as a process does: new connections are refused, and existing ones are cut.
    func stop() {
        listener = nil
        connections = [:]
    }

    private func accept() {
        while let descriptor = try? listener?.acceptConnection() {
            connections[descriptor] = Connection(descriptor)
            EventLoop.watch(descriptor) { [weak self] _ in self?.read(descriptor) }
        }
    }

    private func read(_ descriptor: Int32) {
        guard let connection = connections[descriptor] else { return }
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = try? chunk.withUnsafeMutableBytes { try connection.socket.receive(into: $0) }
        guard let count, count > 0 else {
            if count == 0 { connections[descriptor] = nil }
            return
        }
        connection.received += chunk[..<count]
        guard connection.received.suffix(4) == Array("\r\n\r\n".utf8)[...] else { return }
        requests.append(String(decoding: connection.received, as: UTF8.self))
        if status == nil { return }
        EventLoop.unwatch(descriptor)
        _ = EventLoop.schedule(at: .now + delay) { [weak self] in self?.answer(connection) }
    }

    private func answer(_ connection: Connection) {
        guard let status, connections[connection.socket.descriptor] === connection else { return }
        let answer = Array("HTTP/1.0 \(status) Whatever\r\n\r\n\(page)".utf8)
        _ = try? answer.withUnsafeBytes { try connection.socket.send($0) }
        answers += 1
        connections[connection.socket.descriptor] = nil
    }
}
