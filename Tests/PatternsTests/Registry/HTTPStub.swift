// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

/// An HTTP server of 127.0.0.1 that answers every request with one status, which can be changed.
@EventLoop
final class HTTPStub {
    nonisolated let port: Int
    private(set) var requests: [String] = []
    private var status = 200
    private var listener: Socket?
    private var connections: [Int32: Connection] = [:]

    private final class Connection {
        var socket: Socket?

        init(_ descriptor: Int32) { socket = Socket(adopting: descriptor) }
    }

    init() throws {
        let address = try #require(try Platform.addresses(of: "127.0.0.1", port: 0, numeric: true).get().first)
        let listener = try Socket.listening(on: address)
        port = Int(try listener.localPort())
        let descriptor = listener.descriptor
        self.listener = consume listener
        EventLoop.watch(descriptor) { [weak self] _ in self?.accept() }
    }

    /// Answers with `status` from now on; 0 answers nothing at all.
    func answer(with status: Int) { self.status = status }

    func close() {
        listener = nil
        connections = [:]
    }

    private func accept() {
        while let descriptor = try? listener?.acceptConnection() {
            connections[descriptor] = Connection(descriptor)
            EventLoop.watch(descriptor) { [weak self] _ in self?.serve(descriptor) }
        }
    }

    private func serve(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            (try? connections[descriptor]?.socket?.receive(into: bytes)) ?? 0
        }
        if status == 0 && count > 0 { return }
        if count > 0 {
            requests.append(String(decoding: buffer.prefix(count), as: UTF8.self))
            let answer = Array("HTTP/1.1 \(status) Whatever\r\nContent-Length: 2\r\n\r\nok".utf8)
            _ = answer.withUnsafeBytes { bytes in try? connections[descriptor]?.socket?.send(bytes) }
        }
        connections[descriptor] = nil
    }
}
