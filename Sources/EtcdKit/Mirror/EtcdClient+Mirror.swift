// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Mirrors the entries in `range` while `body` runs.
    ///
    /// `body` starts when the first list is complete, or after ``MirrorOptions/initialWait``.
    ///
    /// ```swift
    /// try await client.withMirror(of: .prefix("services/")) { mirror in
    ///     print(mirror.view["services/api"]?.value ?? "not there")
    ///     for try await view in mirror.views { print(view.revision, view.count) }
    /// }
    /// ```
    ///
    /// The mirror takes up as much memory as its entries. When it cannot go on (the user may not read the keys any more,
    /// or the client is closed), the task of `body` is cancelled, and once `body` has ended, the reason is thrown. `body`
    /// runs in a child task, because only that can be cancelled.
    ///
    /// - Parameters:
    ///   - range: The keys, usually a prefix.
    ///   - options: How to read and check.
    ///   - body: Uses the mirror, which ends with the scope.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` when the entries cannot be listed (see ``MirrorOptions/initialWait``),
    ///   or the mirror cannot go on.
    @discardableResult
    public func withMirror<Result: Sendable>(
        of range: KeyRange,
        options: MirrorOptions = MirrorOptions(),
        _ body: @escaping @Sendable (KeyMirror) async throws -> Result
    ) async throws -> Result {
        let follower = try MirrorFollower(self, range, options)
        do {
            return try await withCompanion {
                await follower.run()
            } _: {
                try await follower.waitUntilOpen()
                return try await body(KeyMirror(follower))
            }
        } catch let failure as CompanionFailure {
            throw failure.error
        }
    }

    /// Mirrors the entries in `range` until the mirror is closed or dropped.
    ///
    /// If a scope fits, use ``withMirror(of:options:_:)``.
    ///
    /// - Parameters:
    ///   - range: The keys, usually a prefix.
    ///   - options: How to read and check.
    /// - Returns: The mirror, with its first list complete, or after ``MirrorOptions/initialWait``.
    /// - Throws: ``EtcdError`` when the entries cannot be listed; see ``MirrorOptions/initialWait``.
    public func mirror(
        of range: KeyRange,
        options: MirrorOptions = MirrorOptions()
    ) async throws(EtcdError) -> KeyMirror {
        let follower = try MirrorFollower(self, range, options)
        // The mirror owns the task, which holds no reference to the mirror.
        let mirror = KeyMirror(follower, following: Task { _ = await follower.run() })
        do throws(EtcdError) {
            try await follower.waitUntilOpen()
            return mirror
        } catch {
            await mirror.close()
            throw error
        }
    }
}
