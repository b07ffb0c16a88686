// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Counts the heap bytes that a message holds on to.
struct Footprint: ProtobufVisitor {
    private static let blockHeader = 32

    private(set) var bytes = 0

    static func of(_ message: some ProtobufMessage) -> Int {
        var footprint = Footprint()
        footprint.visit(message)
        return footprint.bytes
    }

    private mutating func visit(_ message: some ProtobufMessage) {
        var message = message
        try? message.visitFields(&self)
    }

    private mutating func addArray<Element>(_ array: [Element]) {
        if array.capacity > 0 { bytes += Self.blockHeader + array.capacity * MemoryLayout<Element>.stride }
    }

    private mutating func addText(_ text: String) {
        // Short texts are kept without a block of their own.
        if text.utf8.count > 15 { bytes += Self.blockHeader + text.utf8.count }
    }

    private mutating func add(_ value: some ProtobufValue) {
        switch value {
        case let text as String: addText(text)
        case let bytes as [UInt8]: addArray(bytes)
        case let message as any ProtobufMessage: visit(message)
        default: break
        }
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value) { add(value) }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value?) {
        if let value { add(value) }
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ values: inout [Value]) {
        addArray(values)
        for value in values { add(value) }
    }
}
