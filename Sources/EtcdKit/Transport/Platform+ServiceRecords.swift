// SPDX-License-Identifier: Apache-2.0

import CResolver

/// DNS SRV records.
extension Platform {
    /// The largest possible answer over TCP, in bytes.
    private static let answerCapacity = 65_535

    /// Asks the system's name servers for the SRV records of `name`, and waits for the answer.
    static func serviceAnswer(for name: String) -> Result<[UInt8], SocketAddress.LookupError> {
        serviceAnswer(for: name) { CResolver_query(name, 33, $0, $1) }
    }

    #if canImport(Glibc) || canImport(Darwin)
        /// Asks a name server at a port of this machine, for tests.
        static func serviceAnswer(for name: String, port: UInt16) -> Result<[UInt8], SocketAddress.LookupError> {
            serviceAnswer(for: name) { CResolver_query_local(port, name, 33, $0, $1) }
        }
    #endif

    private static func serviceAnswer(
        for name: String,
        _ query: (UnsafeMutablePointer<UInt8>?, Int32) -> Int32
    ) -> Result<[UInt8], SocketAddress.LookupError> {
        var answer = [UInt8](repeating: 0, count: answerCapacity)
        let length = answer.withUnsafeMutableBufferPointer { query($0.baseAddress, Int32($0.count)) }
        if length > 0 { return .success(Array(answer.prefix(Int(length)))) }
        // The other errors do not show whether there are such records.
        let isUnknown = length == -HOST_NOT_FOUND || length == -NO_DATA
        let reason = isUnknown ? "there are no such records" : "the name servers gave no answer"
        return .failure(SocketAddress.LookupError(host: name, reason: reason, isUnknown: isUnknown))
    }
}
