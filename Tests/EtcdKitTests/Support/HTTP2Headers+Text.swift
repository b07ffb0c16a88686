// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

extension HTTP2Headers {
    mutating func append(_ name: String, _ value: String) {
        let (name, value) = (Array(name.utf8), Array(value.utf8))
        name.withUnsafeBufferPointer { name in value.withUnsafeBufferPointer { append(name, $0) } }
    }
}
