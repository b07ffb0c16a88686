// SPDX-License-Identifier: Apache-2.0

/// Header fields, as received.
struct HTTP2Headers: Sendable {
    // The fields of every answer of gRPC are kept without an array.
    private(set) var status: String?
    private(set) var contentType: String?
    private(set) var grpcStatus: String?
    private(set) var grpcMessage: String?
    private(set) var others: [(name: String, value: String)] = []

    mutating func append(_ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>) {
        switch name.count {
        case 7 where status == nil && name == ":status":
            status = String(decoding: value, as: UTF8.self)
        case 11 where grpcStatus == nil && name == "grpc-status":
            grpcStatus = String(decoding: value, as: UTF8.self)
        case 12 where grpcMessage == nil && name == "grpc-message":
            grpcMessage = String(decoding: value, as: UTF8.self)
        case 12 where contentType == nil && name == "content-type":
            // A text of this length has memory of its own, except where the program contains it.
            contentType = value == "application/grpc" ? "application/grpc" : String(decoding: value, as: UTF8.self)
        default:
            others.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
    }
}

private func == (bytes: UnsafeBufferPointer<UInt8>, text: StaticString) -> Bool {
    text.withUTF8Buffer { Platform.areEqual(UnsafeRawBufferPointer(bytes), UnsafeRawBufferPointer($0)) }
}
