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
    /// The lease is revoked also when the caller's task is cancelled, for which there are as many seconds as the lease
    /// lives; where that fails, the lease ends by itself.
    ///
    /// - Parameters:
    ///   - timeToLive: How long the lease lives without a renewal, in whole seconds (rounded up).
    ///   - body: Does what needs the lease.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``EtcdError`` with the code `leaseLost` when the lease was lost, and with any code
    ///   when it could not be granted.
    @discardableResult
    public func withLease<Result: Sendable>(
        timeToLive: Duration,
        _ body: @escaping @Sendable (Lease) async throws -> Result
    ) async throws -> Result {
        let lease = try await leases.grant(timeToLive: timeToLive)
        do {
            let result = try await keepingAlive(lease, body)
            await revoke(lease)
            return result
        } catch let loss as LeaseLoss {
            // There is nothing left to revoke, and nobody to ask perhaps.
            throw loss.error
        } catch {
            await revoke(lease)
            throw error
        }
    }

    /// The lease was lost while the body ran.
    private struct LeaseLoss: Error {
        let error: EtcdError
    }

    /// Runs `body` in a child task that is cancelled when `lease` is lost.
    private func keepingAlive<Result: Sendable>(
        _ lease: Lease,
        _ body: @escaping @Sendable (Lease) async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Outcome<Result>.self) { group in
            group.addTask { .finished(try await body(lease)) }
            group.addTask {
                do throws(EtcdError) {
                    for try await _ in leases.keepAlive(lease) {}
                    return .lost(EtcdError(.leaseLost, "lease \(lease.id) is no longer kept alive"))
                } catch {
                    return .lost(error)
                }
            }
            defer { group.cancelAll() }
            var loss: LeaseLoss?
            while let outcome = try await next(in: &group, unless: loss) {
                switch outcome {
                case .finished(let result):
                    if let loss { throw loss }
                    return result
                case .lost(let error):
                    // Cancellation of the caller reaches the renewals too, but is for `body` to answer.
                    if error.code != .cancelled {
                        let isLoss = error.code == .leaseLost
                        loss = LeaseLoss(error: isLoss ? error : EtcdError(.leaseLost, error.message, cause: error))
                    }
                    group.cancelAll()
                }
            }
            if let loss { throw loss }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }

    /// The next outcome in `group`; what a body throws after the loss of its lease is a consequence of it.
    private func next<Result>(
        in group: inout ThrowingTaskGroup<Outcome<Result>, any Error>,
        unless loss: LeaseLoss?
    ) async throws -> Outcome<Result>? {
        do {
            return try await group.next()
        } catch {
            if let loss { throw loss }
            throw error
        }
    }

    private enum Outcome<Result: Sendable>: Sendable {
        case finished(Result)
        case lost(EtcdError)
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
