// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A message with every kind of field that the codec knows.
///
/// The vectors call it `crosscheck.Everything`.
struct Everything: ProtobufMessage, Hashable {
    struct Color: ProtobufEnum, Hashable {
        let rawValue: Int32
        static let red = Self(rawValue: 0)
        static let green = Self(rawValue: 1)
        static let blue = Self(rawValue: 2)
    }

    struct Leaf: ProtobufMessage, Hashable {
        var number: Int64 = 0
        var names: [String] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &number)
            try visitor.field(2, &names)
        }
    }

    var signed: Int64 = 0
    var unsigned: UInt64 = 0
    var small: UInt32 = 0
    var flag = false
    var text = ""
    var data: [UInt8] = []
    var color = Color.red
    var plain = Leaf()
    // One of the next three is set.
    var chosenNumber: Int64?
    var chosenData: [UInt8]?
    var chosenLeaf: Leaf?
    var texts: [String] = []
    var datas: [[UInt8]] = []
    var colors: [Color] = []
    var leaves: [Leaf] = []
    var twoByteTag: Int64 = 0
    var threeByteTag: Int64 = 0
    var fourByteTag: Int64 = 0
    var fiveByteTag: Int64 = 0

    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &signed)
        try visitor.field(2, &unsigned)
        try visitor.field(3, &small)
        try visitor.field(4, &flag)
        try visitor.field(5, &text)
        try visitor.field(6, &data)
        try visitor.field(7, &color)
        try visitor.field(8, &plain)
        try visitor.field(9, &chosenNumber)
        try visitor.field(10, &chosenData)
        try visitor.field(11, &chosenLeaf)
        try visitor.field(12, &texts)
        try visitor.field(13, &datas)
        try visitor.field(14, &colors)
        try visitor.field(15, &leaves)
        try visitor.field(16, &twoByteTag)
        try visitor.field(2048, &threeByteTag)
        try visitor.field(262_144, &fourByteTag)
        try visitor.field(536_870_911, &fiveByteTag)
    }
}

/// A message that holds messages of its own kind.
struct Tree: ProtobufMessage, Hashable {
    var children: [Tree] = []

    /// A tree with one child in each tree, `depth` of them below the first.
    static func nested(_ depth: Int) -> Tree {
        (0..<depth).reduce(Tree()) { tree, _ in
            var parent = Tree()
            parent.children = [tree]
            return parent
        }
    }

    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &children)
    }
}

extension ProtobufMessage {
    static func decoded(from bytes: [UInt8], budget: Int? = nil) -> Result<Self, ProtobufError> {
        // A copy of just this size, so that an address sanitizer sees a read beyond it.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        return ProtobufDecoder.decode(Self.self, from: UnsafeRawBufferPointer(copy), budget: budget)
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        ProtobufEncoder.encode(self, into: &bytes)
        return bytes
    }
}
