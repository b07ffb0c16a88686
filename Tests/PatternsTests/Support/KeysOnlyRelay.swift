// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// A proxy that makes an older etcd answer as 3.7 does: its answers to ranges of keys only have no leases, since 3.7 reads
/// them from its index.
///
/// It passes all bytes on but those of leases, which it overwrites by a zero of the same length. So it need not know more
/// of HTTP/2 than where frames begin. Threads that block do the work, and end with their connections.
final class KeysOnlyRelay: Sendable {
    let endpoint: String
    /// The transactions that have passed, in their order.
    let transactions = Lock<[Wire.TxnRequest]>([])
    /// How many leases were taken away.
    let droppedLeases = Lock(0)
    private let listener: Int32

    init(to target: String) throws {
        listener = try Self.socket()
        var address = Self.loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isReady = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, size) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, pointer, &size) == 0
            }
        }
        try #require(isReady, "the relay listens")
        endpoint = "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        let port = try #require(target.split(separator: ":").last.flatMap { UInt16($0) })
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self, let server = try? Self.connect(port) else { break }
                // Frames are written one by one, and none shall wait for the acknowledgement of the one before.
                for descriptor in [client, server] { Self.sendAtOnce(descriptor) }
                self.start(RelayConnection(client: client, server: server, relay: self))
            }
            close(listener)
        }
    }

    deinit {
        // Wakes the thread that accepts.
        _ = shutdown(listener, Int32(SHUT_RDWR))
    }

    private func start(_ connection: RelayConnection) {
        Thread.detachNewThread { connection.passRequests() }
        Thread.detachNewThread { connection.passAnswers() }
    }

    private static func socket() throws -> Int32 {
        let descriptor = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        try #require(descriptor >= 0)
        return descriptor
    }

    private static func sendAtOnce(_ descriptor: Int32) {
        var on: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // The sockets are TCP's, so that it cannot be refused.
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, size)
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func connect(_ port: UInt16) throws -> Int32 {
        let descriptor = try socket()
        var address = loopback(port: port)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Foundation.connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0, "the relay reaches etcd")
        return descriptor
    }
}

/// One connection through a ``KeysOnlyRelay``.
private final class RelayConnection: Sendable {
    /// The state of a call.
    private struct Call {
        var request: [UInt8] = []
        var rewriter: KeysOnlyRewriter?
        /// Frames of the answer that wait for the rest of it.
        var held: [[UInt8]] = []
    }

    private let client: Int32
    private let server: Int32
    private let relay: KeysOnlyRelay
    private let calls = Lock<[UInt32: Call]>([:])

    init(client: Int32, server: Int32, relay: KeysOnlyRelay) {
        (self.client, self.server, self.relay) = (client, server, relay)
    }

    deinit {
        close(client)
        close(server)
    }

    func passRequests() {
        defer { shutDown() }
        // The preface of HTTP/2.
        guard let preface = read(24, from: client), write(preface, to: server) else { return }
        while let frame = readFrame(from: client) {
            if frame.type == 0 { note(frame) }
            guard write(frame.bytes, to: server) else { return }
        }
    }

    func passAnswers() {
        defer { shutDown() }
        while let frame = readFrame(from: server) {
            for bytes in pass(frame) where !write(bytes, to: client) { return }
        }
    }

    private func note(_ frame: Frame) {
        let message = calls.withLock { calls -> [UInt8]? in
            calls[frame.stream, default: Call()].request += frame.payload
            return calls[frame.stream]?.request.message
        }
        guard let message else { return }
        if case .success(let transaction) = message.withUnsafeBytes({
            ProtobufDecoder.decode(Wire.TxnRequest.self, from: $0)
        }), !(transaction.success + transaction.failure).isEmpty {
            relay.transactions.withLock { $0.append(transaction) }
        }
        let rewriter = KeysOnlyRewriter(request: message)
        calls.withLock { $0[frame.stream]?.rewriter = rewriter }
    }

    /// - Returns: The frames to send.
    private func pass(_ frame: Frame) -> [[UInt8]] {
        calls.withLock { calls in
            guard var call = calls[frame.stream] else { return [frame.bytes] }
            defer { calls[frame.stream] = frame.endsStream ? nil : call }
            guard frame.type == 0, let rewriter = call.rewriter else { return [frame.bytes] }
            call.held.append(frame.bytes)
            var body = call.held.flatMap { $0.dropFirst(9) }
            guard body.message != nil else { return [] }
            let dropped = rewriter.rewrite(&body)
            relay.droppedLeases.withLock { $0 += dropped }
            var rest = body[...]
            let frames = call.held.map { held in
                defer { rest = rest.dropFirst(held.count - 9) }
                return Array(held.prefix(9)) + rest.prefix(held.count - 9)
            }
            call.held = []
            return frames
        }
    }

    // MARK: Bytes

    private struct Frame {
        let bytes: [UInt8]
        var type: UInt8 { bytes[3] }
        var stream: UInt32 { bytes[5..<9].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff }
        var payload: ArraySlice<UInt8> { bytes.dropFirst(9) }
        /// It is reset, or a frame of data or headers is the last.
        var endsStream: Bool { type == 3 || type <= 1 && bytes[4] & 1 != 0 }
    }

    private func readFrame(from descriptor: Int32) -> Frame? {
        guard let head = read(9, from: descriptor) else { return nil }
        let length = head.prefix(3).reduce(0) { $0 << 8 | Int($1) }
        guard let payload = read(length, from: descriptor) else { return nil }
        return Frame(bytes: head + payload)
    }

    private func read(_ count: Int, from descriptor: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let result = bytes.withUnsafeMutableBytes { buffer in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
                return recv(descriptor, rest.baseAddress, rest.count, 0)
            }
            if result <= 0 { return nil }
            done += result
        }
        return bytes
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let result = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[done...])
                return send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if result <= 0 { return false }
            done += result
        }
        return true
    }

    private func shutDown() {
        for descriptor in [client, server] { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
}

extension [UInt8] {
    /// The first message of a gRPC body, once it is complete.
    fileprivate var message: [UInt8]? {
        guard count >= 5 else { return nil }
        let length = self[1..<5].reduce(0) { $0 << 8 | Int($1) }
        return count >= 5 + length ? Array(self[5..<(5 + length)]) : nil
    }
}
