// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// The error, with what it is about in its message where etcd does not say that.
    func about(_ subject: @autoclosure () -> String) -> EtcdError {
        let codes: [Code] = [
            .permissionDenied, .requestTooLarge, .responseTooLarge, .tooManyOperations, .duplicateKey, .keyNotFound,
            .leaseNotFound,
        ]
        guard codes.contains(code) else { return self }
        return EtcdError(code, "\(message): \(subject())", cause: cause, compactRevision: compactRevision)
    }
}
