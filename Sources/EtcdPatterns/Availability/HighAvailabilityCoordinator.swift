// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Makes a member of a service primary or secondary: one is primary in the whole cluster, and all others stand by.
///
/// ```swift
/// let election = try LeaderElection("database", candidate: "10.0.0.7:5432", on: .client(client))
/// let coordinator = HighAvailabilityCoordinator(on: election) { term in
///     try await serve(term.fencingToken)
/// } secondary: { primaries in
///     for try await primary in primaries { follow(primary.candidate?.value) }
/// }
/// try await coordinator.run()
/// ```
///
/// A member is never both: each work has ended before the other begins. A primary that cannot renew its lease is
/// cancelled, ``LeaderElection/drainTime`` before another may be primary. Use ``Grant/guarded(if:then:else:)`` of its
/// term, or a ``FenceGate``, for everything that it must not do after that.
public struct HighAvailabilityCoordinator: Sendable {
    /// The work of a primary.
    public typealias Primary = @Sendable (_ term: LeaderTerm) async throws -> Void
    /// The work of a secondary, which can follow the changes of the primary.
    public typealias Secondary = @Sendable (_ primaries: LeaderChanges) async throws -> Void

    /// How the primary is chosen.
    public let election: LeaderElection
    private let report: @Sendable (Event) -> Void
    private let primary: Primary
    private let secondary: Secondary

    /// Makes a coordinator for one member.
    ///
    /// - Parameters:
    ///   - election: How the primary is chosen. Without a ``LeaderElection/drainTime``, a fifth of the time to live is
    ///     used, or less if that is too long.
    ///   - onEvent: Is called with each event, for logs and alarms; it must return soon.
    ///   - primary: The work of a primary: runs once in each term, and is cancelled when the term ends. When it returns or
    ///     throws, the member steps down, and is a candidate again after ``LeaderElection/backoff``.
    ///   - secondary: The work of a secondary: runs while the member is not primary, and is cancelled when the member becomes
    ///     primary. When it throws, it runs again after a while.
    public init(
        on election: LeaderElection,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in },
        primary: @escaping Primary,
        secondary: @escaping Secondary
    ) {
        var election = election
        let timeToLive = election.queue.source.timeToLive
        let drainTime = min(timeToLive / 5, Session.longestDrain(of: timeToLive))
        if election.drainTime == .zero { election.drainTime = drainTime }
        self.election = election
        report = onEvent
        self.primary = primary
        self.secondary = secondary
    }

    /// Works as a secondary and, whenever it is this member's turn, as the primary, until the task is cancelled.
    ///
    /// Then it returns, once the work has ended and the leadership is given up. A primary that does not end when it is
    /// cancelled stays primary for as long as the lease can be renewed, and is reported.
    ///
    /// - Throws: ``CoordinationLoss`` when a session that was given is lost; ``EtcdError``, among its codes
    ///   `permissionDenied` and `clientClosed`.
    public func run() async throws {
        try await election.repeatTerms(standBy, lead)
    }

    /// Works as a secondary until it is this member's turn, and the work has ended.
    private func standBy(afterFailures count: Int) async throws -> LeaderTerm {
        let won = Lock<LeaderTerm?>(nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // It does not throw, since the work does not.
                try await supervised(election.drainTime) {
                    await assist()
                } onOverrun: {
                    report(.overran(.secondary))
                    // So that it does not keep others from being primary.
                    await won.withLock { $0 }?.resign()
                }
            }
            group.addTask {
                let term = try await election.nextTerm(afterFailures: count)
                won.withLock { $0 = term }
            }
            while try await group.next() != nil {
                if won.withLock({ $0 }) != nil { group.cancelAll() }
            }
        }
        guard let term = won.withLock({ $0 }) else { throw CancellationError() }
        return term
    }

    /// Runs the work of a secondary, repeatedly if it fails.
    private func assist() async {
        var failures = 0
        while !Task.isCancelled {
            report(.secondaryStarted)
            do {
                try await secondary(election.leaders)
                return report(.secondaryEnded(nil))
            } catch {
                report(.secondaryEnded(error.unlessCancelled))
            }
            failures += 1
            await Task.pause(for: election.backoff.delay(afterFailures: failures))
        }
    }

    /// Runs the work of a primary, and steps down.
    private func lead(in term: LeaderTerm) async {
        // The term may be over already, since the work of the secondary took some time to end.
        guard term.isHeld, !Task.isCancelled else { return await term.resign() }
        report(.primaryStarted(term))
        // The loss is reported before the release, which may take as long as the lease lives.
        try? await term.whileHeld { term in
            var failure: (any Error)?
            do {
                try await supervised(election.drainTime) {
                    try await primary(term)
                } onOverrun: {
                    report(.overran(.primary))
                }
            } catch {
                failure = error.unlessCancelled
            }
            report(.primaryEnded(term, term.hold.lifetime.loss?.overrunUntilNow ?? failure))
        }
    }

    // MARK: Events

    /// The role of a member.
    public enum Role: String, Sendable, Hashable {
        /// The member that leads.
        case primary
        /// A member that stands by.
        case secondary
    }

    /// An event of a member, in the order in which they happened.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// The work of a secondary begins.
        case secondaryStarted
        /// The work of a secondary has ended; the error is the one that it has thrown by itself.
        case secondaryEnded((any Error)?)
        /// The work of a primary begins.
        case primaryStarted(LeaderTerm)
        /// The work of a primary has ended; the error is the ``CoordinationLoss`` that has ended its term, with how long the
        /// work went on after that, or the one that it has thrown by itself.
        case primaryEnded(LeaderTerm, (any Error)?)
        /// Work was cancelled, has not ended within ``LeaderElection/drainTime``, and still goes on.
        ///
        /// If it is a primary that has lost its lease, another may be primary from now on, whose requests have a higher
        /// token. A secondary keeps its member from being primary, which therefore steps down.
        case overran(Role)

        /// The event in one line.
        public var description: String {
            switch self {
            case .secondaryStarted: "secondary started"
            case .secondaryEnded(let error): "secondary ended\(error.map { ": \($0)" } ?? "")"
            case .primaryStarted(let term): "primary started (\(term))"
            case .primaryEnded(let term, let error): "primary ended (\(term))\(error.map { ": \($0)" } ?? "")"
            case .overran(let role): "\(role) still runs after its cancellation"
            }
        }
    }
}
