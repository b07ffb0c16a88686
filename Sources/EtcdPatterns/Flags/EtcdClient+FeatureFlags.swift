// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Follows feature flags while `body` runs.
    ///
    /// `body` starts when all flags are known, or after `initialWait`; see ``FeatureFlags/source``.
    ///
    /// If changes cannot be followed any more (the user may not read the keys, or the client is closed), the task of `body`
    /// is cancelled, and once `body` has ended, the reason is thrown. `body` runs in a task of its own, so that it can be
    /// cancelled.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys of the flags, before a slash.
    ///   - staleAfter: How long etcd may be out of reach before evaluations have the reason ``FlagReason/stale``.
    ///   - initialWait: How long to wait for etcd before `body` starts without flags.
    ///   - body: Uses the flags.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` when the flags cannot be read for a reason that does not pass by
    ///   itself, or changes cannot be followed.
    @discardableResult
    public func withFeatureFlags<Result: Sendable>(
        _ name: String,
        staleAfter: Duration = .seconds(30),
        initialWait: Duration = .seconds(5),
        _ body: @escaping @Sendable (FeatureFlags) async throws -> Result
    ) async throws -> Result {
        try FeatureFlags.check(name)
        let options = FeatureFlags.options(staleAfter, initialWait)
        return try await withMirror(of: .prefix("\(name)/"), options: options) { mirror in
            try await body(FeatureFlags(name, self, mirror, staleAfter))
        }
    }
}
