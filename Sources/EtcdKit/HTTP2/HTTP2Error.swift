// SPDX-License-Identifier: Apache-2.0

import CNghttp2

/// A failure of the HTTP/2 protocol on this connection.
struct HTTP2Error: Error, Sendable, CustomStringConvertible {
    let message: String

    var description: String { message }

    static func check(_ result: some BinaryInteger) throws(HTTP2Error) {
        if result < 0 { throw HTTP2Error(message: String(cString: nghttp2_strerror(Int32(clamping: result)))) }
    }
}
