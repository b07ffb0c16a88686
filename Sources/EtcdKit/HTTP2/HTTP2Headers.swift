// SPDX-License-Identifier: Apache-2.0

/// Header fields in order, as received.
struct HTTP2Headers: Sendable {
    private(set) var fields: [(name: String, value: String)] = []

    /// The first value of the field `name`, which is in lower case.
    subscript(name: String) -> String? {
        fields.first { $0.name == name }?.value
    }

    mutating func append(_ name: String, _ value: String) {
        fields.append((name, value))
    }
}

/// The header fields of a request, flat in one buffer, as nghttp2 takes them.
struct HTTP2RequestHeaders: Sendable {
    struct Field {
        let name: Range<Int>
        let value: Range<Int>
    }

    private(set) var bytes: [UInt8] = []
    private(set) var fields: [Field] = []

    init() {
        bytes.reserveCapacity(256)
        fields.reserveCapacity(10)
    }

    mutating func append(_ name: StaticString, _ value: String) {
        let start = bytes.count
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        let middle = bytes.count
        bytes.append(contentsOf: value.utf8)
        fields.append(Field(name: start..<middle, value: middle..<bytes.count))
    }
}
