// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// The error with the key and the size of the value that was too large; the error itself for any other reason.
    ///
    /// The message of the call says already how large the request was, and what the limit is.
    package func naming(_ key: Key, size: Int) -> EtcdError {
        if code != .requestTooLarge { return self }
        return EtcdError(code, "the value of \"\(key)\" has \(size) bytes: \(message)", cause: cause)
    }
}
