// SPDX-License-Identifier: Apache-2.0

import CNghttp2

/// The header fields of a request, as nghttp2 takes them.
struct HTTP2RequestHeaders: Sendable {
    enum Text: Sendable {
        /// A text of the program, to which nghttp2 may point.
        case fixed(StaticString)
        /// Where the text is in ``bytes``.
        case stored(Range<Int>)
    }

    private(set) var bytes: [UInt8] = []
    private(set) var fields: [(name: Text, value: Text)] = []

    init() {
        bytes.reserveCapacity(256)
        fields.reserveCapacity(10)
    }

    mutating func append(_ name: StaticString, fixed value: StaticString) {
        fields.append((.fixed(name), .fixed(value)))
    }

    mutating func append(_ name: StaticString, _ value: String) { fields.append((.fixed(name), store(value))) }

    mutating func append(custom name: String, _ value: String) { fields.append((store(name), store(value))) }

    private mutating func store(_ text: String) -> Text {
        let start = bytes.count
        bytes.append(contentsOf: text.utf8)
        return .stored(start..<bytes.count)
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        fields.removeAll(keepingCapacity: true)
    }

    /// Lends the fields in the form that nghttp2 takes.
    func withPairs<Result>(_ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { pairs in
                for (index, field) in fields.enumerated() {
                    var pair = nghttp2_nv()
                    let (name, value) = (Self.place(of: field.name, bytes), Self.place(of: field.value, bytes))
                    (pair.name, pair.namelen) = (name.start, name.count)
                    (pair.value, pair.valuelen) = (value.start, value.count)
                    if name.isFixed { pair.flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue) }
                    if value.isFixed { pair.flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue) }
                    pairs.initializeElement(at: index, to: pair)
                }
                return body(pairs)
            }
        }
    }

    private static func place(
        of text: Text,
        _ bytes: UnsafeBufferPointer<UInt8>
    ) -> (start: UnsafeMutablePointer<UInt8>?, count: Int, isFixed: Bool) {
        switch text {
        case .fixed(let text):
            (UnsafeMutablePointer(mutating: text.utf8Start), text.utf8CodeUnitCount, true)
        case .stored(let range):
            (UnsafeMutablePointer(mutating: bytes.baseAddress.map { $0 + range.lowerBound }), range.count, false)
        }
    }
}
