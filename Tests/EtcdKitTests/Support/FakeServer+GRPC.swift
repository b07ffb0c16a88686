// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// gRPC's part of a scripted server, written without the client's own framing.
extension HTTP2ServerExchange {
    static let grpcHeaders = [(":status", "200"), ("content-type", "application/grpc")]

    /// Frames a message as gRPC does.
    static func frame(_ message: [UInt8], compressed: Bool = false, length: Int? = nil) -> [UInt8] {
        let length = UInt32(length ?? message.count)
        return [compressed ? 1 : 0] + withUnsafeBytes(of: length.bigEndian) { Array($0) } + message
    }

    /// The messages that have arrived in full.
    var messages: [[UInt8]] {
        var messages: [[UInt8]] = []
        var rest = body[...]
        while rest.count >= 5 {
            let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(5)
            if rest.count < length { break }
            messages.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return messages
    }

    /// Sends back the messages that have arrived since the last call.
    func echo() {
        for message in messages[echoedCount...] { send(Self.frame(message)) }
        echoedCount = messages.count
    }

    /// Sends a message.
    func send(_ message: some ProtobufMessage) { send(Self.frame(Self.bytes(of: message))) }

    /// Sends a whole unary answer.
    func answer(with message: some ProtobufMessage) { answer(Self.bytes(of: message)) }

    private static func bytes(of message: some ProtobufMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        ProtobufEncoder.encode(message, into: &bytes)
        return bytes
    }

    /// The messages that have arrived since the last call.
    func takeMessages<Message: ProtobufMessage>(_ type: Message.Type) -> [Message] {
        defer { echoedCount = messages.count }
        return messages[echoedCount...].compactMap { message in
            try? message.withUnsafeBytes { ProtobufDecoder.decode(type, from: $0) }.get()
        }
    }

    /// Sends a whole unary answer.
    func answer(_ message: [UInt8] = []) {
        send(Self.grpcHeaders)
        send(Self.frame(message))
        end(trailers: [("grpc-status", "0")])
    }

    /// Answers in HTTP, as a proxy without a way to etcd does.
    func answerAsProxy(_ status: String, hasBody: Bool) {
        send([(":status", status), ("content-type", "text/html")], isLast: !hasBody)
        guard hasBody else { return }
        send(Array("<html>no route</html>".utf8))
        end()
    }

    /// Sends a status in the only header block of an answer.
    func refuse(_ status: GRPCStatus.Code, _ message: String) {
        let status = [("grpc-status", "\(status.rawValue)"), ("grpc-message", message)]
        send(Self.grpcHeaders + status, isLast: true)
    }
}
