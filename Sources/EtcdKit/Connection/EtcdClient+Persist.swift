// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Repeats `operation` for as long as there is no way to the cluster.
    package func persist<Result>(_ operation: () async throws(EtcdError) -> Result) async throws(EtcdError) -> Result {
        try await AttemptLoop(retry).run { (_) throws(EtcdError) in
            try await operation()
        } after: { error in
            error.code.isTransient && !Task.isCancelled ? .afterPause : .nothing
        }
    }
}
