// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

extension HTTP2Headers {
    mutating func append(_ name: String, _ value: String) {
        let (name, value) = (Array(name.utf8), Array(value.utf8))
        name.withUnsafeBufferPointer { name in value.withUnsafeBufferPointer { append(name, $0) } }
    }

    /// All fields, those of every answer of gRPC first.
    var fields: [(name: String, value: String)] {
        let common = [
            (":status", status), ("content-type", contentType), ("grpc-status", grpcStatus),
            ("grpc-message", grpcMessage),
        ]
        return common.compactMap { name, value in value.map { (name, $0) } } + others
    }

    /// The first value of the field `name`, which is in lower case.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}
