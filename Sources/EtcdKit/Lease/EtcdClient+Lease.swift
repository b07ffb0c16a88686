// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Grants a lease, keeps it alive while `body` runs, and revokes it afterwards.
    ///
    /// ```swift
    /// try await client.withLease(timeToLive: .seconds(10)) { lease in
    ///     try await client.put("alive/me", "1", lease: lease.id)
    ///     try await work()
    /// }
    /// ```
    ///
    /// When the lease is lost, the task of `body` is cancelled; once `body` has ended, `leaseLost` is thrown. `body` runs
    /// in a child task, because only that can be cancelled.
    ///
    /// The lease is also revoked if the caller's task is cancelled; this is tried for at most its time to live. If the
    /// revocation fails, the lease expires by itself.
    ///
    /// - Parameters:
    ///   - timeToLive: How long the lease lives without a renewal, in whole seconds (rounded up).
    ///   - body: Does what needs the lease.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` with the code `leaseLost` when the lease was lost, and with any code
    ///   when it could not be granted.
    @discardableResult
    public func withLease<Result: Sendable>(
        timeToLive: Duration,
        _ body: @escaping @Sendable (Lease) async throws -> Result
    ) async throws -> Result {
        let lease = try await leases.grant(timeToLive: timeToLive)
        do {
            let result = try await withCompanion {
                await keepAlive(lease)
            } _: {
                try await body(lease)
            }
            await revoke(lease)
            return result
        } catch let loss as CompanionFailure {
            // There is nothing left to revoke.
            throw loss.error
        } catch {
            await revoke(lease)
            throw error
        }
    }

    /// Keeps a lease alive.
    ///
    /// - Returns: `cancelled`, or how the lease was lost.
    private func keepAlive(_ lease: Lease) async -> EtcdError {
        do throws(EtcdError) {
            for try await _ in leases.keepAlive(lease) {}
            return EtcdError(.leaseLost, "lease \(lease.id) is no longer kept alive")
        } catch {
            if error.code == .cancelled || error.code == .leaseLost { return error }
            return EtcdError(.leaseLost, error.message, cause: error)
        }
    }

    private func revoke(_ lease: Lease) async {
        let client = with(timeout: min(lease.timeToLive, timeout))
        // A task of its own, because the caller's may be cancelled already; it is awaited here.
        await Task {
            // Where this fails, the lease is gone already or ends by itself, as documented.
            try? await client.leases.revoke(lease.id)
        }.value
    }
}
