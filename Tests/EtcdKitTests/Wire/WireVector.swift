// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit

/// A message as an independent implementation encodes it: a line of what `scripts/wire-vectors.py` writes.
struct WireVector: Sendable {
    let name: String
    /// The message, set by the names of its fields.
    let message: any VectorMessage
    /// The canonical encoding.
    let bytes: [UInt8]
    /// Other encodings of the same message.
    let also: [[UInt8]]

    private struct Line {
        let name: String
        let value: [String: Any]
        let bytes: String
        let also: [String]

        init(_ text: Substring) throws {
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            guard let name = object?["message"] as? String, let value = object?["value"] as? [String: Any],
                let bytes = object?["bytes"] as? String, let also = object?["also"] as? [String]
            else { throw Mistake("not a vector: \(text)") }
            (self.name, self.value, self.bytes, self.also) = (name, value, bytes, also)
        }
    }

    private init(_ line: Line, _ type: any VectorMessage.Type) throws {
        name = line.name
        message = try type.init(vector: line.value)
        bytes = try [UInt8](hexDigits: line.bytes)
        also = try line.also.map([UInt8].init(hexDigits:))
    }

    /// The vectors of all messages.
    static let all = Result { try load(vectorMessages) }

    /// The vectors, with `types` for the messages in them.
    static func load(_ types: [String: any VectorMessage.Type]) throws -> [WireVector] {
        let path = TestEnvironment.wireVectors ?? Repository.url("scripts/wire-vectors.jsonl").path
        return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { text in
            let line = try Line(text)
            guard let type = types[line.name] else { throw Mistake("\(line.name) is not in VectorMessages.swift") }
            return try WireVector(line, type)
        }
    }

    /// The differences in how our codec reads and writes the message.
    var faults: [String] {
        func check<Message: VectorMessage>(_ expected: Message) -> [String] {
            var faults: [String] = []
            for bytes in [bytes] + also where Message.decoded(from: bytes) != .success(expected) {
                faults.append("\(name): \(bytes.hexDigits) is \(Message.decoded(from: bytes)) instead of \(expected)")
            }
            if expected.encoded != bytes {
                let digits = expected.encoded.hexDigits
                faults.append("\(name): \(expected) is \(digits) instead of \(bytes.hexDigits)")
            }
            return faults
        }
        return check(message)
    }
}

/// The environment variables for the tests of the wire format.
enum TestEnvironment {
    /// The file to read vectors from, instead of the one in the repository.
    static var wireVectors: String? { ProcessInfo.processInfo.environment["ETCDKIT_WIRE_VECTORS"] }
    /// The file to write our encodings of the vectors' messages to.
    static var wireEncodings: String? { ProcessInfo.processInfo.environment["ETCDKIT_WIRE_ENCODINGS"] }
    /// How many hostile inputs each message type gets.
    static var fuzzIterations: Int? { ProcessInfo.processInfo.environment["ETCDKIT_FUZZ_ITERATIONS"].flatMap(Int.init) }
    /// The messages from which the hostile inputs are derived.
    static var fuzzSeed: UInt64? { ProcessInfo.processInfo.environment["ETCDKIT_FUZZ_SEED"].flatMap(UInt64.init) }
}
