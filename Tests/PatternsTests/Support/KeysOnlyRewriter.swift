// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Takes the leases out of the answers to ranges of keys only, as etcd 3.7 does unless they are sorted by value.
///
/// It tells ranges and transactions by their fields: only a range has a field 8.
struct KeysOnlyRewriter {
    private indirect enum Plan {
        case range
        case transaction(then: [Plan?], else: [Plan?])
    }

    private let plan: Plan

    /// Nil for a request whose answer is the same in 3.7.
    init?(request: [UInt8]) {
        if let range = Self.decode(Wire.RangeRequest.self, request), range.keysOnly {
            guard let plan = Self.plan(range) else { return nil }
            self.plan = plan
        } else if let transaction = Self.decode(Wire.TxnRequest.self, request), let plan = Self.plan(transaction) {
            self.plan = plan
        } else {
            return nil
        }
    }

    private static func decode<Message: ProtobufMessage>(_ type: Message.Type, _ bytes: [UInt8]) -> Message? {
        try? bytes.withUnsafeBytes { ProtobufDecoder.decode(type, from: $0) }.get()
    }

    private static func plan(_ range: Wire.RangeRequest) -> Plan? {
        range.keysOnly && range.sortTarget != .value ? .range : nil
    }

    private static func plan(_ transaction: Wire.TxnRequest) -> Plan? {
        let branches = [transaction.success, transaction.failure].map { operations in
            operations.map { operation in operation.range.flatMap(plan) ?? operation.transaction.flatMap(plan) }
        }
        if branches.joined().allSatisfy({ $0 == nil }) { return nil }
        return .transaction(then: branches[0], else: branches[1])
    }

    // MARK: Rewriting

    /// Overwrites leases in a gRPC body of one message.
    ///
    /// - Returns: How many there were.
    func rewrite(_ body: inout [UInt8]) -> Int {
        Self.rewrite(&body, 5..<body.count, plan)
    }

    private static func rewrite(_ bytes: inout [UInt8], _ message: Range<Int>, _ plan: Plan) -> Int {
        var dropped = 0
        switch plan {
        case .range:
            for entry in fields(bytes, message) where entry.number == 2 {
                for field in fields(bytes, entry.content) where field.number == 6 {
                    let isSet = bytes[field.content].contains { $0 & 0x7f != 0 }
                    // A zero of as many bytes.
                    for index in field.content { bytes[index] = index == field.content.upperBound - 1 ? 0 : 0x80 }
                    if isSet { dropped += 1 }
                }
            }
        case .transaction(let then, let otherwise):
            let all = fields(bytes, message)
            let hasSucceeded = all.contains { $0.number == 2 && bytes[$0.content.lowerBound] == 1 }
            let plans = hasSucceeded ? then : otherwise
            for (plan, operation) in zip(plans, all.filter { $0.number == 3 }) {
                guard let plan, let result = fields(bytes, operation.content).first else { continue }
                dropped += rewrite(&bytes, result.content, plan)
            }
        }
        return dropped
    }

    /// The fields of a message, with where their contents are.
    private static func fields(_ bytes: [UInt8], _ message: Range<Int>) -> [(number: UInt64, content: Range<Int>)] {
        var fields: [(number: UInt64, content: Range<Int>)] = []
        var position = message.lowerBound
        func varint() -> UInt64 {
            var (value, shift): (UInt64, UInt64) = (0, 0)
            while position < message.upperBound {
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7f) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            return value
        }
        while position < message.upperBound {
            let tag = varint()
            let start = position
            if tag & 7 == 2 {
                let length = Int(varint())
                fields.append((tag >> 3, position..<(position + length)))
                position += length
            } else {
                _ = varint()
                fields.append((tag >> 3, start..<position))
            }
        }
        return fields
    }
}
