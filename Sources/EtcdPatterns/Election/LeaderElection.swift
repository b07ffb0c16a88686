// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// An election: of all candidates in the cluster, one leads at a time.
///
/// ```swift
/// let election = try LeaderElection("scheduler", candidate: "node-1", client: client)
/// try await election.run { term in
///     try await term.guarded(then: [.put("state/scheduler", "ready")])
/// }
/// ```
///
/// Candidates lead in the order in which they came, and each change wakes the next one only. The queue is that of Go's
/// `concurrency.Election` and of `etcdctl elect`: they and this are candidates of one election under one name.
///
/// Keys are under `<name>/`, where nothing else may be; so a name must not be the beginning of another at a slash, such as
/// `a` and `a/b`. Copies of an election are the same candidate: ``isLeader`` and ``currentTerm`` speak for all of them.
public struct LeaderElection: Sendable {
    /// What the candidates want to lead.
    public let name: Key
    /// What the candidate says of itself, such as its name or its endpoint; others see it while it waits and leads.
    public let candidate: Value
    let source: SessionSource
    private let latest = LatestTerm()

    /// How long before the leadership may pass on the work under it is told to end, by its cancellation; zero at first.
    ///
    /// Without renewals, ``LeaderTerm/isLeader`` turns false so much earlier. It must be less than half of the time to
    /// live.
    public var drainTime = Duration.zero
    /// How long to wait with the next candidacy in ``run(_:)`` after a term that was shorter than the time to live, or an
    /// attempt that failed.
    public var backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10), multiplier: 2)
    /// Is told what happens in ``run(_:)``; must return soon.
    public var onEvent: @Sendable (Event) -> Void = { _ in }

    /// A candidate on a session; with the session, the leadership is lost.
    ///
    /// - Parameters:
    ///   - name: What the candidates want to lead.
    ///   - candidate: What this one says of itself.
    ///   - session: The session.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, candidate: Value, session: Session) throws(EtcdError) {
        try self.init(name, candidate, .shared(session))
    }

    /// A candidate each candidacy of which has a session of its own.
    ///
    /// - Parameters:
    ///   - name: What the candidates want to lead.
    ///   - candidate: What this one says of itself.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait when the leader's process has died, in whole seconds (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: Key,
        candidate: Value,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15)
    ) throws(EtcdError) {
        try self.init(name, candidate, .own(client, timeToLive: timeToLive))
    }

    private init(_ name: Key, _ candidate: Value, _ source: SessionSource) throws(EtcdError) {
        try name.checkName(of: "election")
        try source.check()
        self.name = name
        self.candidate = candidate
        self.source = source
    }

    // MARK: How it stands

    /// This candidate leads: compares the clock at each call.
    ///
    /// For want of renewals, it turns false before another can lead.
    public var isLeader: Bool { currentTerm != nil }

    /// The term in which this candidate leads; nil if it does not.
    public var currentTerm: LeaderTerm? { latest.current }

    // MARK: Leading

    /// Waits for the leadership, to keep it until ``LeaderTerm/resign(timeout:)``.
    ///
    /// Whether this throws, is cancelled or runs out of time: no candidacy is left behind. When the candidate's key is
    /// deleted while it waits, as by ``LeaderTerm/transfer(to:)`` to one behind it, it joins again, as the last.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The term. When its last copy is dropped, it ends too, at the latest with its lease.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``QueueBlocked`` when a key is in the way
    ///   that nothing ends; ``EtcdError``, among its codes `deadlineExceeded` when there was another leader for all the
    ///   time, `unavailable` when etcd has not answered in that time, `invalidArgument` when ``drainTime`` does not fit the
    ///   time to live, `permissionDenied` and `cancelled`.
    public func campaign(timeout: Duration? = nil) async throws -> LeaderTerm {
        let attempt = Attempt()
        if let term = try await withTimeout(timeout, { try await enter(attempt, waitsForEtcd: true) }) { return term }
        throw attempt.timeIsOver("\"\(candidate)\" did not lead \"\(name)\" within \(timeout ?? .zero)")
    }

    func enter(_ attempt: Attempt, waitsForEtcd: Bool) async throws -> LeaderTerm? {
        try await source.withSession(waitsForEtcd ? attempt : nil) { session, isOwn in
            let timeToLive = session.lease.timeToLive
            if drainTime < .zero || drainTime.bounded * 2 >= timeToLive {
                throw EtcdError(.invalidArgument, "a drain time of \(drainTime) for a time to live of \(timeToLive)")
            }
            let queue = KeyQueue(session: session, name: name, leftovers: latest.leftovers, attempt: attempt)
            let candidacy = try await join(queue)
            guard let revision = candidacy.createRevision else { throw CoordinationLoss(.keyDeleted) }
            let hold = Hold(
                candidacy,
                at: revision,
                in: queue,
                drain: drainTime,
                rewritesKey: true,
                ownsSession: isOwn
            )
            latest.hold = hold
            let (client, name) = (session.client, name)
            client.report(.leadershipGained(name, fencingToken: revision))
            hold.tenure.observe { loss in
                client.report(.leadershipLost(name, fencingToken: revision, reason: loss.reason.description))
            }
            return LeaderTerm(hold: hold)
        }
    }

    /// Stands in the queue, also when a handover has deleted the key, until it is its turn.
    private func join(_ queue: KeyQueue) async throws -> Candidacy {
        while true {
            do {
                if let candidacy = try await queue.enter(.exclusive, candidate) { return candidacy }
            } catch let loss as CoordinationLoss {
                guard loss.reason == .keyDeleted else { throw loss }
                // Where it was the lease that took the key along, joining again finds that out.
                if let loss = queue.session.tenure.loss { throw loss }
            }
        }
    }

    /// Waits for the leadership, runs `body` with it, and resigns.
    ///
    /// When the leadership is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if
    /// `body` has returned. `body` runs in a child task, because only that can be cancelled. Nobody else leads before
    /// `body` has ended, unless it goes on after the leadership was lost.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the leadership; nil for as long as it takes.
    ///   - body: Does what the leader does.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the leadership was lost, or the session during the wait;
    ///   ``EtcdError``, as ``campaign(timeout:)`` does.
    @discardableResult
    public func lead<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LeaderTerm) async throws -> Result
    ) async throws -> Result {
        try await (try await campaign(timeout: timeout)).whileLeading(body)
    }
}

/// The newest term of a candidate, which it does not keep, and what is left of those before.
private final class LatestTerm: Sendable {
    private struct Reference {
        weak var hold: Hold?
    }

    private let reference = Lock(Reference())
    /// Keys of terms and candidacies that were lost.
    let leftovers = Leftovers()

    var hold: Hold? {
        get { reference.withLock { $0.hold } }
        set { reference.withLock { $0.hold = newValue } }
    }

    var current: LeaderTerm? {
        guard let hold, hold.tenure.loss == nil else { return nil }
        return LeaderTerm(hold: hold)
    }
}
