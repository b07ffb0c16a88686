// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// An election: of all candidates in the cluster, one leads at a time.
///
/// ```swift
/// let election = try LeaderElection("scheduler", candidate: "node-1", on: .client(client))
/// try await election.run { term in
///     try await term.guarded(then: [.put("state/scheduler", "ready")])
/// }
/// ```
///
/// Candidates lead in the order in which they came, and each change wakes the next one only. The queue is that of Go's
/// `concurrency.Election` and of `etcdctl elect`: under one name, they and this are candidates of one election.
///
/// The keys are under `<name>/`, and no others may be there. So a name must not be the beginning of another at a slash,
/// such as `a` and `a/b`. Copies of an election are the same candidate: ``isLeader`` and ``currentTerm`` apply to all
/// of them.
public struct LeaderElection: Sendable {
    let queue: NamedQueue
    private let latest = Lock(LatestTerm())

    /// The name of the election.
    public var name: String { queue.name }
    /// The candidate's description of itself, such as its name or its endpoint; others see it while it waits and leads.
    public let candidate: Value

    /// The time from the cancellation of the work until the leadership may pass on; zero by default.
    ///
    /// Without renewals, ``Grant/isHeld`` of the term turns false earlier by this time. So that a renewal comes before that,
    /// it is at most two thirds of the time to live, without the margin by which a session ends early and half a second for
    /// the answer: 7.85 s for a time to live of 15 s, and 0.31 s for 2 s.
    public var drainTime = Duration.zero
    /// The pause before the next campaign in ``run(_:)`` after a term that was shorter than the time to live, or an attempt
    /// that failed.
    public var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10), multiplier: 2)
    var onEvent: @Sendable (Event) -> Void

    /// Describes a candidate.
    ///
    /// - Parameters:
    ///   - name: The name of the election.
    ///   - candidate: The candidate's description of itself.
    ///   - source: The session of each campaign, which lasts until the end of the leadership.
    ///   - onEvent: Is called with each event of ``run(_:)``; it must return soon.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: String,
        candidate: Value,
        on source: SessionSource,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) throws(EtcdError) {
        queue = try NamedQueue(name, of: "election", on: source)
        self.candidate = candidate
        self.onEvent = onEvent
    }

    // MARK: State

    /// Whether this candidate leads: compares the clock at each call.
    ///
    /// Without renewals of the lease, it turns false before another can lead.
    public var isLeader: Bool { currentTerm != nil }

    /// The term in which this candidate leads; nil if it does not.
    public var currentTerm: LeaderTerm? {
        guard let hold = latest.withLock({ $0.hold }), hold.lifetime.loss == nil else { return nil }
        return LeaderTerm(hold: hold)
    }

    // MARK: Leading

    /// Waits for the leadership, and keeps it until ``LeaderTerm/resign(timeout:)``.
    ///
    /// If this throws, is cancelled or runs out of time, it leaves no candidate behind. If the candidate's key is
    /// deleted while it waits, as by ``LeaderTerm/transfer(to:)`` to one behind it, it joins again at the end.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Returns: The term. It also ends when its last copy is dropped, at the latest with its lease.
    /// - Throws: ``BusyError`` when another candidate has led for the whole time; ``CoordinationLoss`` when the session
    ///   was lost during the wait; ``QueueBlocked`` when only the deletion of a key can free the queue; ``EtcdError``,
    ///   among its codes `unavailable` when etcd has not answered in that time, `invalidArgument` when ``drainTime``
    ///   does not fit the time to live, and `permissionDenied`; `CancellationError`.
    public func campaign(timeout: Duration? = nil) async throws -> LeaderTerm {
        try await queue.waiting(timeout) { queue, isOwn in try await enter(queue, isOwn) }
    }

    /// Does what ``campaign(timeout:)`` does, without a limit, but throws if etcd does not answer.
    func enter() async throws -> LeaderTerm? {
        try await queue.withQueue(waits: false) { queue, isOwn in try await enter(queue, isOwn) }
    }

    private func enter(_ queue: FairQueue, _ ownsSession: Bool) async throws -> LeaderTerm? {
        let timeToLive = queue.session.lease.timeToLive
        let longest = Session.longestDrain(of: timeToLive)
        if !(.zero...longest).contains(drainTime) {
            let limit = "for a time to live of \(timeToLive), it is from zero to \(longest)"
            throw EtcdError(.invalidArgument, "a drain time of \(drainTime) leaves no time for renewals: \(limit)")
        }
        let key = try await join(queue)
        guard let hold = Hold(key, in: queue, drain: drainTime, rewritesKey: true, ownsSession: ownsSession) else {
            throw CoordinationLoss(.keyDeleted)
        }
        latest.withLock { $0.hold = hold }
        let (client, name, revision) = (queue.client, queue.name, hold.createRevision)
        client.report(.leadershipGained(name, fencingToken: revision))
        hold.lifetime.observe { loss in
            client.report(.leadershipLost(name, fencingToken: revision, reason: loss.reason.description))
        }
        return LeaderTerm(hold: hold)
    }

    /// Waits in the queue for its turn; joins again if a handover has deleted the key.
    private func join(_ queue: FairQueue) async throws -> QueueKey {
        while true {
            do {
                if let queueKey = try await queue.enter(.exclusive, candidate) { return queueKey }
            } catch let loss as CoordinationLoss {
                guard loss.reason == .keyDeleted else { throw loss }
                // If the end of the lease has deleted the key, joining again finds that out.
                if let loss = queue.session.lifetime.loss { throw loss }
            }
        }
    }

    /// Waits for the leadership, runs `body` with it, and resigns.
    ///
    /// If the leadership is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if
    /// `body` has returned. `body` runs in a task of its own, so that it can be cancelled. No other candidate leads before
    /// `body` has ended, unless `body` goes on after the leadership was lost.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the leadership; nil waits without a limit.
    ///   - body: Does the leader's work.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the leadership was lost; the errors of
    ///   ``campaign(timeout:)``.
    @discardableResult
    public func lead<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LeaderTerm) async throws -> Result
    ) async throws -> Result {
        try await (try await campaign(timeout: timeout)).whileHeld(body)
    }
}

/// The newest term of a candidate, without keeping it.
private struct LatestTerm {
    weak var hold: Hold?
}
