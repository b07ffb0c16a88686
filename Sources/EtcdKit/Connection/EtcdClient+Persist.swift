// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Repeats `operation` for as long as there is no way to the cluster.
    package func persist<Result>(_ operation: () async throws(EtcdError) -> Result) async throws(EtcdError) -> Result {
        var failures = 0
        while true {
            do throws(EtcdError) {
                return try await operation()
            } catch {
                guard error.code.isTransient, !Task.isCancelled else { throw error }
            }
            failures += 1
            let pause = configuration.backoff.delay(afterFailures: failures)
            // A cancelled pause is noticed by the next attempt.
            try? await Task.sleep(for: pause)
        }
    }
}
