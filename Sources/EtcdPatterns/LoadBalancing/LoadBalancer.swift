// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Spreads requests over the instances of a service, and avoids instances that fail.
///
/// ```swift
/// let balancer = try await registry.loadBalancer(for: "api-server", policy: .roundRobin)
/// let answer = try await balancer.withInstance { instance in try await call(instance.address, instance.port) }
/// ```
///
/// A choice needs no call to etcd. The instances come from a ``ServiceRegistry``, or from any other source by
/// ``update(_:)``: from one source at a time. An instance is identified by its ID, address and port. The balancer
/// remembers its failures and latencies when it gets a new list, and for five minutes after the instance has gone. An
/// instance gets requests while its status is `up`; if it fails, ``OutlierDetection`` excludes it for a while.
public final class LoadBalancer: Sendable {
    /// The name of the service, for errors.
    public let service: String

    let options: LoadBalancerOptions
    let now: @Sendable () -> ContinuousClock.Instant
    /// The lock is held for no longer than a change of a few instances takes.
    let state: SharedState<State>
    /// The instances of the last list, by the bytes of their IDs; the lock is held while lists are compared.
    let listed = Lock<[Key: Listed]>([:])
    /// Keeps a balancer without a scope current.
    private let following = Lock<Task<Void, Never>?>(nil)

    struct State {
        var pool: InstancePool
        var tokens: RetryTokens
        var retries = 0
        var deniedRetries = 0
        var failure: EtcdError?
        /// The discovery that is followed.
        var discovery: ServiceDiscovery?
    }

    struct Listed: Equatable {
        let instance: ServiceInstance
        let failsChecks: Bool
    }

    /// Makes a balancer without instances.
    ///
    /// - Parameters:
    ///   - service: The name of the service, for errors.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones, excluded instances.
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
        state = SharedState(State(pool: pool, tokens: RetryTokens(options.retries)))
    }

    deinit { following.withLock { $0 }?.cancel() }

    /// Ends a balancer that was made by ``ServiceRegistry/loadBalancer(for:policy:options:discovery:)``.
    ///
    /// A balancer also ends when it is dropped. After that, it still balances over the known instances.
    public func close() async {
        let following = following.withLock { $0 }
        following?.cancel()
        await following?.value
    }

    /// Follows a discovery of its own, without keeping itself alive.
    func attach(_ discovery: ServiceDiscovery) {
        let task = Task { [weak self] in
            var cursor = discovery.cursor
            do {
                while true {
                    let step = try await cursor.next()
                    self?.update(step)
                }
            } catch let error as EtcdError where error.code != .cancelled {
                self?.state.withLock { $0.failure = error }
            } catch {
                // The balancer was closed.
            }
            await discovery.close()
        }
        following.withLock { $0 = task }
    }

    /// The reason why the instances can no longer be followed.
    ///
    /// It is nil as long as they are followed, and if a scope or a caller follows them.
    public var failure: EtcdError? { state.withLock { $0.failure } }

    /// Whether the instances of a registry may be out of date; false if they come from another source.
    ///
    /// They may be if etcd was not reached since the start, or not for some time (see ``ServiceDiscovery/isStale``), or if
    /// there is a ``failure``.
    public var isStale: Bool { state.withLock { $0.discovery }?.isStale ?? false }

    // MARK: Requests

    /// Runs `body` with an instance, and records the outcome: the time it takes, and whether it throws.
    ///
    /// The request counts as in flight until `body` has ended. If `body` throws, the request may be tried on another
    /// instance, never on the same one twice, as the budget allows (``LoadBalancerOptions/retries``).
    ///
    /// - Parameters:
    ///   - key: The key by which ``BalancingPolicy/consistentHash(excess:)`` chooses.
    ///   - isRetryable: Whether a request with this error may be tried again: it must have had no effect, or one that
    ///     may safely happen twice.
    ///   - body: Makes the request.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body` in its last attempt; ``NoInstanceAvailable``.
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

    /// Chooses an instance, for code where a scope does not fit.
    ///
    /// - Parameter key: The key by which ``BalancingPolicy/consistentHash(excess:)`` chooses.
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

    /// The outcome for the instance; nil for a cancellation, for which it is not responsible.
    private func outcome(of error: any Error) -> PickedInstance.Outcome? {
        if error is CancellationError || Task.isCancelled { return nil }
        return options.isFailure(error) ? .failure : .success
    }

    var noInstance: NoInstanceAvailable {
        let census = state.withLock { $0.pool.census }
        return NoInstanceAvailable(service: service, draining: census.draining, down: census.down, isStale: isStale)
    }
}
