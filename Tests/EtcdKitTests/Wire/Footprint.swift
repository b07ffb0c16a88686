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

    mutating func field(_ number: UInt32, _ value: inout Int64) {}
    mutating func field(_ number: UInt32, _ value: inout UInt64) {}
    mutating func field(_ number: UInt32, _ value: inout UInt32) {}
    mutating func field(_ number: UInt32, _ value: inout Bool) {}
    mutating func field(_ number: UInt32, _ value: inout Int64?) {}
    mutating func field(_ number: UInt32, _ value: inout some ProtobufEnum) {}
    mutating func field(_ number: UInt32, _ value: inout String) { addText(value) }
    mutating func field(_ number: UInt32, _ value: inout [UInt8]) { addArray(value) }
    mutating func field(_ number: UInt32, _ value: inout [UInt8]?) { addArray(value ?? []) }
    mutating func field(_ number: UInt32, _ value: inout some ProtobufMessage) { visit(value) }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ value: inout Message?) {
        if let value { visit(value) }
    }

    mutating func field(_ number: UInt32, _ values: inout [String]) {
        addArray(values)
        for value in values { addText(value) }
    }

    mutating func field(_ number: UInt32, _ values: inout [[UInt8]]) {
        addArray(values)
        for value in values { addArray(value) }
    }

    mutating func field<Enum: ProtobufEnum>(_ number: UInt32, _ values: inout [Enum]) { addArray(values) }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ values: inout [Message]) {
        addArray(values)
        for value in values { visit(value) }
    }
}
