// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Starts work that goes on when no caller waits for `job` any more.
    ///
    /// When the client is closed, it has two more seconds.
    @discardableResult
    package func inBackground(
        _ job: BackgroundJob = BackgroundJob(),
        _ body: @escaping @Sendable () async -> Void
    ) -> BackgroundJob {
        core.background.start(job, body)
        return job
    }

    /// Starts work that several callers wait for, and that is cancelled when the client is closed.
    package func inCommon(_ body: @escaping @Sendable () async -> Void) { core.common.start(BackgroundJob(), body) }
}
