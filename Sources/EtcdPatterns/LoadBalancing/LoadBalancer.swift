// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Spreads requests over the instances of a service, and keeps them from those that fail.
///
/// ```swift
/// let balancer = try await registry.loadBalancer(for: "api-server", policy: .roundRobin)
/// let answer = try await balancer.withInstance { instance in try await call(instance.address, instance.port) }
/// ```
///
/// Choosing waits for nothing and asks nobody. The instances come from a ``ServiceRegistry``, or from any other source by
/// ``update(_:)``: from one source at a time. A balancer remembers what it has seen of an instance when the list is said
/// anew, also for one that is gone for less than five minutes; an instance is known by its ID, address and port. It gets
/// requests while its status is `up`; when it fails, ``OutlierDetection`` leaves it out for a while.
public final class LoadBalancer: Sendable {
    /// The name of the service, for errors.
    public let service: String

    private let options: LoadBalancerOptions
    private let now: @Sendable () -> ContinuousClock.Instant
    /// What choices are made of; never held for longer than a change of a few instances takes.
    private let state: Lock<State>
    /// The instances as they were told last, by the bytes of their ids; held while lists are compared.
    private let listed = Lock<[Key: Listed]>([:])
    /// Wakes all who wait for an instance.
    private let changes = LatestValue<Void>()
    /// What keeps a balancer current that was made without a scope.
    private let following = Lock<Task<Void, Never>?>(nil)

    private struct State {
        var pool: InstancePool
        var tokens: RetryTokens
        var retries = 0
        var deniedRetries = 0
        var failure: EtcdError?
        /// What is followed.
        var discovery: ServiceDiscovery?
    }

    private struct Listed: Equatable {
        let instance: ServiceInstance
        let failsChecks: Bool
    }

    /// A balancer without instances.
    ///
    /// - Parameters:
    ///   - service: The name of the service, for errors.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones.
    public convenience init(
        _ service: String,
        policy: BalancingPolicy = .roundRobin,
        options: LoadBalancerOptions = LoadBalancerOptions()
    ) {
        self.init(service, policy, options, SplitMix64()) { .now }
    }

    init(
        _ service: String,
        _ policy: BalancingPolicy,
        _ options: LoadBalancerOptions,
        _ random: SplitMix64,
        now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        self.service = service
        self.options = options
        self.now = now
        let pool = InstancePool(policy, outliers: options.outliers, zone: options.zone, random: random, at: now())
        state = Lock(State(pool: pool, tokens: RetryTokens(options.retries)))
    }

    deinit { following.withLock { $0 }?.cancel() }

    /// Ends a balancer that was made by ``ServiceRegistry/loadBalancer(for:policy:options:discovery:)``.
    ///
    /// Dropping it ends it too. It still balances over the instances that it knows.
    public func close() async {
        let following = following.withLock { $0 }
        following?.cancel()
        await following?.value
    }

    /// Takes over what a discovery knows now, before it is followed.
    func begin(with discovery: ServiceDiscovery) {
        state.withLock { $0.discovery = discovery }
        update(discovery.snapshot)
    }

    /// Follows a discovery of its own, without keeping itself alive.
    func attach(_ discovery: ServiceDiscovery) {
        let task = Task { [weak self] in
            var cursor = discovery.cursor
            do throws(EtcdError) {
                while true {
                    let step = try await cursor.next()
                    self?.update(step)
                }
            } catch {
                if error.code != .cancelled { self?.state.withLock { $0.failure = error } }
            }
            await discovery.close()
        }
        following.withLock { $0 = task }
    }

    /// Why the instances can no longer be followed; nil as long as they are, or where a scope or a caller does that.
    public var failure: EtcdError? { state.withLock { $0.failure } }

    /// Whether the instances of a registry may be out of date; false where they come from another source.
    ///
    /// It is true as long as etcd was not reached since the start, when it has not been reached for some time (see
    /// ``ServiceDiscovery/isStale``), and when there is a ``failure``.
    public var isStale: Bool { state.withLock { $0.discovery }?.isStale ?? false }

    // MARK: The instances

    /// Takes over the instances that there are.
    ///
    /// - Parameter instances: All instances of the service; of several with one ID, the first counts.
    public func update(_ instances: [ServiceInstance]) { update(instances, unhealthy: []) }

    func update(_ instances: [ServiceInstance], unhealthy: Set<Key>) {
        listed.withLock { listed in
            var new: [Key: Listed] = [:]
            var changes: [InstancePool.Change] = []
            for instance in instances {
                let id = Key(instance.id)
                if new[id] != nil { continue }
                let now = Listed(instance: instance, failsChecks: unhealthy.contains(id))
                let old = listed.removeValue(forKey: id)
                new[id] = now
                if old != now { changes.append(Self.change(from: old, to: now)) }
            }
            for old in listed.values { changes.append(Self.change(from: old, to: nil)) }
            listed = new
            apply(changes)
        }
    }

    /// Takes over what has changed in a discovery.
    func update(_ step: DiscoveryStep) {
        if step.old == nil { return update(step.new) }
        listed.withLock { listed in
            var changes: [InstancePool.Change] = []
            for (old, new) in step.differences {
                guard let id = new?.key ?? old?.key else { continue }
                let now = new.map { Listed(instance: $0.instance, failsChecks: !$0.isHealthy) }
                if listed[id] != now { changes.append(Self.change(from: listed[id], to: now)) }
                listed[id] = now
            }
            apply(changes)
        }
    }

    private func update(_ snapshot: ServiceSnapshot) {
        update(snapshot.instances, unhealthy: Set(snapshot.known.lazy.filter { !$0.isHealthy }.map(\.key)))
    }

    private static func change(from old: Listed?, to new: Listed?) -> InstancePool.Change {
        InstancePool.Change(old: old?.instance, new: new?.instance, failsChecks: new?.failsChecks ?? false)
    }

    private func apply(_ changes: [InstancePool.Change]) {
        let now = now()
        state.withLock { $0.pool.apply(changes, at: now) }
        self.changes.send(())
    }

    /// Takes over what a discovery knows, and its active checks, until it ends.
    ///
    /// - Parameter discovery: The discovery, which others may use too.
    /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended.
    public func follow(_ discovery: ServiceDiscovery) async throws(EtcdError) {
        begin(with: discovery)
        var cursor = discovery.cursor
        while true { update(try await cursor.next()) }
    }

    /// Takes over each list of a sequence, until it ends; after that, the last one stays.
    ///
    /// - Parameter updates: Lists of all instances.
    /// - Throws: What the sequence throws.
    public func follow<Updates: AsyncSequence>(_ updates: Updates) async throws
    where Updates.Element == [ServiceInstance] {
        for try await instances in updates { update(instances) }
    }

    /// Waits until there is an instance that takes requests.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Throws: ``NoInstanceAvailable`` when there was none in time; ``EtcdError`` with the code `cancelled`.
    public func waitUntilAvailable(timeout: Duration? = nil) async throws {
        let isAvailable = try await withTimeout(timeout) { try await self.awaitInstance() }
        if isAvailable == nil { throw noInstance }
    }

    private func awaitInstance() async throws -> Bool? {
        while !state.withLock({ $0.pool.isAvailable }) {
            // One may also become available by time, of which nothing tells.
            _ = try await withTimeout(.seconds(1)) {
                for await _ in self.changes.listen() where self.state.withLock({ $0.pool.isAvailable }) { return true }
                throw EtcdError(.cancelled, "the task was cancelled")
            }
            try checkCancellation()
        }
        return true
    }

    // MARK: Requests

    /// Lends an instance to `body`, and learns from how that ends: the time it takes, and whether it throws.
    ///
    /// The request counts as in flight until `body` has ended, however it does. When it throws, the request may be tried on
    /// another instance, never on the same one twice, as the budget allows (``LoadBalancerOptions/retries``).
    ///
    /// - Parameters:
    ///   - key: What ``BalancingPolicy/consistentHash(excess:)`` chooses by.
    ///   - isRetryable: Whether a request that has failed so may be tried again: it must have had no effect, or one that
    ///     does no harm when it comes twice.
    ///   - body: Does the request.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, the last time; ``NoInstanceAvailable``.
    @discardableResult
    public func withInstance<Result>(
        for key: String? = nil,
        retryIf isRetryable: (any Error) -> Bool = { _ in false },
        _ body: (ServiceInstance) async throws -> Result
    ) async throws -> Result {
        let keyHash = key.map { RendezvousHash.hash($0.utf8) }
        var ticket = try begin(keyHash)
        var tried: [InstancePool.Ticket] = []
        while true {
            do {
                let result = try await body(ticket.instance)
                finish(ticket, .success)
                return result
            } catch {
                finish(ticket, outcome(of: error))
                tried.append(ticket)
                guard tried.count < options.retries.maximumAttempts, !Task.isCancelled, isRetryable(error),
                    let next = retry(keyHash, tried)
                else { throw error }
                ticket = next
            }
        }
    }

    /// Chooses an instance, for where a scope does not fit.
    ///
    /// - Parameter key: What ``BalancingPolicy/consistentHash(excess:)`` chooses by.
    /// - Returns: The instance; the request counts as in flight until it is finished or dropped.
    /// - Throws: ``NoInstanceAvailable``.
    public func pick(for key: String? = nil) throws(NoInstanceAvailable) -> PickedInstance {
        PickedInstance(try begin(key.map { RendezvousHash.hash($0.utf8) }), of: self)
    }

    private func begin(_ keyHash: UInt64?) throws(NoInstanceAvailable) -> InstancePool.Ticket {
        let now = now()
        let ticket = state.withLock { state in
            state.tokens.earn()
            return state.pool.pick(keyHash: keyHash, at: now)
        }
        guard let ticket else { throw noInstance }
        return ticket
    }

    /// Chooses another instance, if there is one and the budget allows it.
    private func retry(_ keyHash: UInt64?, _ tried: [InstancePool.Ticket]) -> InstancePool.Ticket? {
        let now = now()
        return state.withLock { state in
            if state.tokens.isEmpty {
                state.deniedRetries += 1
                return nil
            }
            guard let ticket = state.pool.pick(keyHash: keyHash, excluding: tried, at: now) else { return nil }
            state.tokens.spend()
            state.retries += 1
            return ticket
        }
    }

    func finish(_ ticket: InstancePool.Ticket, _ outcome: PickedInstance.Outcome?) {
        let now = now()
        state.withLock { $0.pool.finish(ticket, outcome, at: now) }
    }

    /// What an error says of the instance.
    private func outcome(of error: any Error) -> PickedInstance.Outcome? {
        if error is CancellationError || Task.isCancelled { return nil }
        return options.isFailure(error) ? .failure : .success
    }

    // MARK: What it knows

    /// What the balancer has seen of each instance.
    public var statistics: LoadBalancerStatistics {
        // A part at a time, so that requests do not wait for the whole.
        let part = 256
        var instances: [LoadBalancerStatistics.Instance] = []
        var start = 0
        while true {
            let statistics = state.withLock { state -> LoadBalancerStatistics? in
                let members = state.pool.members.dropFirst(start)
                for member in members.prefix(part) where member.departure == nil || member.inFlight > 0 {
                    instances.append(LoadBalancerStatistics.Instance(member))
                }
                if members.count > part { return nil }
                return LoadBalancerStatistics(
                    instances: instances,
                    isPanicking: state.pool.isPanicking,
                    retries: state.retries,
                    deniedRetries: state.deniedRetries
                )
            }
            if let statistics { return statistics }
            start += part
        }
    }

    private var noInstance: NoInstanceAvailable {
        let census = state.withLock { $0.pool.census }
        return NoInstanceAvailable(service: service, draining: census.draining, down: census.down, isStale: isStale)
    }
}
