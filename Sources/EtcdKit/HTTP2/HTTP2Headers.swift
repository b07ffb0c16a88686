// SPDX-License-Identifier: Apache-2.0

/// Header fields, as received.
struct HTTP2Headers: Sendable {
    /// The fields of every answer of gRPC, which are kept without an array.
    private static let commonNames: [StaticString] = [":status", "content-type", "grpc-status", "grpc-message"]

    private var common: (String?, String?, String?, String?)
    private var others: [(name: String, value: String)] = []

    init() {}

    /// All fields, those of ``commonNames`` first.
    var fields: [(name: String, value: String)] {
        let values = [common.0, common.1, common.2, common.3]
        return zip(Self.commonNames, values).compactMap { name, value in value.map { ("\(name)", $0) } } + others
    }

    var status: String? { common.0 }
    var contentType: String? { common.1 }
    var grpcStatus: String? { common.2 }
    var grpcMessage: String? { common.3 }

    /// The first value of the field `name`, which is in lower case.
    subscript(name: String) -> String? {
        switch name {
        case ":status": common.0
        case "content-type": common.1
        case "grpc-status": common.2
        case "grpc-message": common.3
        default: others.first { $0.name == name }?.value
        }
    }

    mutating func append(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        switch name.count {
        case 7 where common.0 == nil && name == ":status":
            common.0 = String(decoding: value, as: UTF8.self)
        case 11 where common.2 == nil && name == "grpc-status":
            common.2 = String(decoding: value, as: UTF8.self)
        case 12 where common.3 == nil && name == "grpc-message":
            common.3 = String(decoding: value, as: UTF8.self)
        case 12 where common.1 == nil && name == "content-type":
            // A string of this length is allocated, unless it is a literal of the program.
            common.1 = value == "application/grpc" ? "application/grpc" : String(decoding: value, as: UTF8.self)
        default:
            others.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
    }
}

private func == (bytes: UnsafeBufferPointer<UInt8>, text: StaticString) -> Bool {
    text.withUTF8Buffer { Platform.areEqual(UnsafeRawBufferPointer(bytes), UnsafeRawBufferPointer($0)) }
}

/// The header fields of a request, as nghttp2 takes them.
struct HTTP2RequestHeaders: Sendable {
    enum Value: Sendable {
        /// A text of the program, to which nghttp2 may point.
        case fixed(StaticString)
        /// Where the text is in ``bytes``.
        case text(Range<Int>)
    }

    private(set) var bytes: [UInt8] = []
    private(set) var fields: [(name: StaticString, value: Value)] = []
    /// Where the names and values are in ``bytes`` of fields that the program does not know.
    private(set) var custom: [(name: Range<Int>, value: Range<Int>)] = []

    init() {
        bytes.reserveCapacity(256)
        fields.reserveCapacity(10)
    }

    mutating func append(_ name: StaticString, fixed value: StaticString) {
        fields.append((name, .fixed(value)))
    }

    mutating func append(_ name: StaticString, _ value: String) { fields.append((name, .text(store(value)))) }

    mutating func append(custom name: String, _ value: String) { custom.append((store(name), store(value))) }

    private mutating func store(_ text: String) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return start..<bytes.count
    }

    mutating func removeAll() {
        if !custom.isEmpty { custom.removeAll(keepingCapacity: true) }
        bytes.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
    }
}
