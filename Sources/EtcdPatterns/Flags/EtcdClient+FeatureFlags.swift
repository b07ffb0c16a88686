// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Follows feature flags while `body` runs.
    ///
    /// `body` starts when all flags are known, or after `initialWait`; see ``FeatureFlags/source``.
    ///
    /// When changes cannot be followed any more (the user may not read the keys, or the client is closed), the task of
    /// `body` is cancelled, and once `body` has ended, the reason is thrown. `body` runs in a child task, because only
    /// that can be cancelled.
    ///
    /// - Parameters:
    ///   - name: The keys of the flags begin with this and a slash.
    ///   - staleAfter: How long etcd may be out of reach before evaluations say that they may be out of date.
    ///   - initialWait: How long to wait for etcd before `body` starts without flags.
    ///   - body: Uses the flags.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``EtcdError`` when the flags cannot be read for a reason that does not pass by itself,
    ///   or changes cannot be followed.
    @discardableResult
    public func withFeatureFlags<Result: Sendable>(
        _ name: Key,
        staleAfter: Duration = .seconds(30),
        initialWait: Duration = .seconds(5),
        _ body: @escaping @Sendable (FeatureFlags) async throws -> Result
    ) async throws -> Result {
        try FeatureFlags.check(name)
        let options = FeatureFlags.options(staleAfter, initialWait)
        return try await withMirror(of: .prefix(name + "/"), options: options) { mirror in
            try await body(FeatureFlags(name, self, mirror, staleAfter))
        }
    }
}
