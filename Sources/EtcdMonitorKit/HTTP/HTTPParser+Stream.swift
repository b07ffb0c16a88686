// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension HTTPParser {
    /// Reads from a stream until the next part of a message is complete; nil if the stream ends between messages.
    ///
    /// - Parameters:
    ///   - stream: The stream.
    ///   - deadline: The deadline.
    /// - Returns: The part.
    /// - Throws: An `HTTPRefusal` or a `ByteStreamError`.
    mutating func next(
        from stream: ByteStream,
        until deadline: ContinuousClock.Instant
    ) async throws -> Event? {
        while true {
            if let event = try next() { return event }
            let bytes = try await stream.read(deadline: deadline)
            if bytes.isEmpty { return try finish() }
            append(bytes)
        }
    }
}
