// SPDX-License-Identifier: Apache-2.0

import CNghttp2

extension HTTP2RequestHeaders {
    /// Lends the fields in the form that nghttp2 takes.
    func withPairs<Result>(_ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Result) -> Result {
        bytes.withUnsafeBufferPointer { bytes in
            withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count + custom.count) { pairs in
                for (index, field) in fields.enumerated() {
                    pairs.initializeElement(at: index, to: Self.pair(field.name, field.value, bytes))
                }
                for (index, field) in custom.enumerated() {
                    pairs.initializeElement(at: fields.count + index, to: Self.pair(field.name, field.value, bytes))
                }
                return body(pairs)
            }
        }
    }

    private static func pair(
        _ name: StaticString,
        _ value: HTTP2RequestHeaders.Value,
        _ bytes: UnsafeBufferPointer<UInt8>
    ) -> nghttp2_nv {
        var pair = nghttp2_nv()
        pair.name = UnsafeMutablePointer(mutating: name.utf8Start)
        pair.namelen = name.utf8CodeUnitCount
        pair.flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
        switch value {
        case .fixed(let text):
            pair.value = UnsafeMutablePointer(mutating: text.utf8Start)
            pair.valuelen = text.utf8CodeUnitCount
            pair.flags |= UInt8(NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        case .text(let range):
            pair.value = UnsafeMutablePointer(mutating: bytes.baseAddress.map { $0 + range.lowerBound })
            pair.valuelen = range.count
        }
        return pair
    }

    private static func pair(
        _ name: Range<Int>,
        _ value: Range<Int>,
        _ bytes: UnsafeBufferPointer<UInt8>
    ) -> nghttp2_nv {
        var pair = nghttp2_nv()
        pair.name = UnsafeMutablePointer(mutating: bytes.baseAddress.map { $0 + name.lowerBound })
        pair.namelen = name.count
        pair.value = UnsafeMutablePointer(mutating: bytes.baseAddress.map { $0 + value.lowerBound })
        pair.valuelen = value.count
        return pair
    }
}
