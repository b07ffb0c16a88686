// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A leadership, from its beginning to its loss or the resignation.
///
/// The token is the number of the term. A ``FenceGate`` at another server refuses requests of earlier terms.
public struct LeaderTerm: FencedGrant {
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Replaces the value of the leader, which is ``LeaderElection/candidate`` at first, for those that read and observe it.
    ///
    /// - Parameter value: The new value, such as an endpoint.
    /// - Throws: ``CoordinationLoss`` when the leadership has ended; ``EtcdError``, with the code `ambiguous` when the
    ///   outcome is unknown.
    public func proclaim(_ value: Value) async throws {
        let put = TransactionOperation.put(key, value, keepingLease: true)
        _ = try await hold.session.guarded(by: [hold], then: [put], mayWriteReserved: true)
    }

    // MARK: The end

    /// Gives the leadership up, for the next candidate.
    ///
    /// In the body of ``LeaderElection/lead(timeout:_:)`` or ``LeaderElection/run(_:)``, this cancels the body, and the next
    /// candidate leads once the body has ended. Elsewhere, end the leader's work before; the next candidate leads when this
    /// returns. Otherwise it is like ``LockGrant/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait until the next one can lead; it has no effect in the body of a scope.
    public func resign(timeout: Duration = .seconds(5)) async {
        await hold.stepDown(timeout: timeout)
    }

    /// Runs `body`, cancels it when the leadership is lost, and resigns once it has ended.
    func whileLeading<Result: Sendable>(
        _ body: @escaping @Sendable (LeaderTerm) async throws -> Result
    ) async throws -> Result {
        try await hold.whileHeld { try await body(self) }
    }
}
