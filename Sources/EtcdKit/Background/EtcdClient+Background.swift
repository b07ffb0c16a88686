// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Starts work that goes on when no caller waits for it any more.
    ///
    /// When the client is closed, the work has two more seconds.
    package func inBackground(_ body: @escaping @Sendable () async -> Void) -> BackgroundJob {
        let job = BackgroundJob()
        inBackground(job, body)
        return job
    }

    /// Starts work that goes on when no caller waits for `job` any more.
    package func inBackground(_ job: BackgroundJob, _ body: @escaping @Sendable () async -> Void) {
        core.background.start(job, body)
    }

    /// Starts work that several callers wait for, and that is cancelled when the client is closed.
    package func inCommon(_ body: @escaping @Sendable () async -> Void) { core.common.start(BackgroundJob(), body) }
}
