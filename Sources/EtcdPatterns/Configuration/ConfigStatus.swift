// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The state of a configuration, which a manager and its ``ConfigFollower`` share.
struct ConfigStatus: Sendable {
    /// The last good state.
    var current: ConfigView
    /// The source of it.
    var source: StateSource
    /// The number of good states.
    private(set) var goodStates = 0
    /// The keys that were judged last, good or not.
    var judged: MirrorView?
    /// The rejection of the newest state; nil if that is the current one.
    private(set) var rejection: ConfigRejection?
    private(set) var lastRejection: ConfigRejection?
    private(set) var rejections = 0
    /// The reason why the store is not followed at the moment; nil if it is.
    var failure: EtcdError?
    /// The reason why the file could not be read at the start, or written; nil if it was.
    var fileFailure: ConfigError?
    var mirror: KeyMirror?
    /// The cluster of the state; nil before it was asked for.
    var clusterID: UInt64?
    var isClosed = false

    init(_ current: ConfigView, from source: StateSource) {
        self.current = current
        self.source = source
    }

    /// Notes the verdict on a state; `isNew` if a value is different.
    mutating func note(_ verdict: Result<ConfigView, ConfigError>, isNew: Bool, of state: MirrorView) {
        judged = state
        switch verdict {
        case .success(let view):
            rejection = nil
            current = view
            if !source.isEtcd { source = .etcd(since: .now) }
            if isNew { goodStates += 1 }
        case .failure(let error):
            rejection = ConfigRejection(revision: state.revision, error: error)
            lastRejection = rejection
            rejections += 1
        }
    }
}

extension SharedState<ConfigStatus> {
    /// Waits until the state of `revision` was judged.
    ///
    /// - Returns: Whether it was; false if the task was cancelled, or the configuration closed.
    func waitUntilJudged(_ revision: Revision) async -> Bool {
        let isJudged = try? await wait { status -> Bool? in
            if let judged = status.judged, judged.revision >= revision { return true }
            return status.isClosed ? false : nil
        }
        return isJudged ?? false
    }
}
