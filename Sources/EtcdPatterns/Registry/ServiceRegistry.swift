// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of services that are there: they register, and others discover them.
///
/// ```swift
/// let registry = try ServiceRegistry(client)
/// let instance = ServiceInstance(service: "api-server", id: "api-1", address: "192.168.1.100", port: 8080)
/// try await registry.withRegistration(of: instance) { registration in try await serve() }
/// ```
///
/// An instance is an entry under `<prefix>/<service>/<id>`, on a lease of its own. Its value is what the naming resolver
/// of Go's etcd client writes and reads, so that gRPC programs in Go find instances that register here, and the other
/// way round.
public struct ServiceRegistry: Sendable {
    /// What the keys of all instances begin with, before a slash.
    public let prefix: Key
    private let client: EtcdClient
    private let look: SharedLook

    /// A registry.
    ///
    /// Registrations of one registry, and of its copies, look together for whether their entries are still there.
    ///
    /// - Parameters:
    ///   - client: The way to the cluster.
    ///   - prefix: What the keys begin with.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ client: EtcdClient, prefix: Key = "services") throws(EtcdError) {
        try prefix.checkName(of: "registry")
        self.client = client
        self.prefix = prefix
        look = SharedLook(client)
    }

    private func folder(of service: String) throws(EtcdError) -> Key {
        try ServiceInstance.validate(service, as: "name of a service")
        return prefix + "/\(service)/"
    }

    // MARK: Registering

    /// Registers an instance, runs `body`, and deregisters it.
    ///
    /// When another process registers as the same instance, the task of `body` is cancelled; once `body` has ended, a
    /// ``CoordinationLoss`` for the reason `superseded` is thrown. `body` runs in a child task, because only that can be
    /// cancelled.
    ///
    /// - Parameters:
    ///   - instance: The instance.
    ///   - timeToLive: How long it is still there when its process has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while that fails, the status is `down` for all others.
    ///   - initialWait: How long to wait for etcd before `body` starts without being seen by others.
    ///   - body: Serves.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws, or what ``register(_:timeToLive:check:initialWait:)`` does.
    @discardableResult
    public func withRegistration<Result: Sendable>(
        of instance: ServiceInstance,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        initialWait: Duration = .seconds(5),
        _ body: @escaping @Sendable (Registration) async throws -> Result
    ) async throws -> Result {
        let registration = try await register(
            instance,
            timeToLive: timeToLive,
            check: check,
            initialWait: initialWait
        )
        do {
            let result = try await registration.whileRegistered(body)
            await registration.deregister()
            return result
        } catch {
            await registration.deregister()
            throw error
        }
    }

    /// Registers an instance, and keeps it registered until ``Registration/deregister(timeout:)``.
    ///
    /// It takes the place of one with the same service and id, which hears of it. If etcd cannot be reached within
    /// `initialWait`, the registration is returned in the state ``RegistrationState/pending(_:)``, and others see the
    /// instance by themselves as soon as etcd is reached.
    ///
    /// - Parameters:
    ///   - instance: The instance.
    ///   - timeToLive: How long it is still there when its process has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while that fails, the status is `down` for all others.
    ///   - initialWait: How long to wait until others can see the instance; `.zero` returns at once.
    /// - Returns: The registration; ``Registration/state`` says whether others can see it by now.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`, `permissionDenied` and `cancelled`; ``CoordinationLoss``
    ///   when another has registered as the same instance at the same time.
    public func register(
        _ instance: ServiceInstance,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        initialWait: Duration = .seconds(5)
    ) async throws -> Registration {
        try instance.validate()
        let key = try folder(of: instance.service) + Key(instance.id)
        let registration = Registration(Registrar(instance, client, key, timeToLive, check, look))
        do {
            _ = try await withTimeout(initialWait.bounded) { try await registration.awaitFirstOutcome() }
            try checkCancellation()
            return registration
        } catch {
            await registration.deregister()
            throw error
        }
    }

    // MARK: Discovering

    /// Lists the instances of a service.
    ///
    /// - Parameter service: The name of the service.
    /// - Returns: The instances that are registered now.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`.
    public func discover(_ service: String) async throws(EtcdError) -> ServiceSnapshot {
        let folder = try folder(of: service)
        let response = try await client.range(.prefix(folder))
        var state = DiscoveryState(service: service, folder: folder, protection: nil)
        let entries = response.entries.map { RegistryEntry($0, of: service, in: folder) }
        state.apply(puts: entries, deletions: [], at: response.header.revision, .now)
        return state.snapshot
    }

    /// Follows the instances of a service while `body` runs.
    ///
    /// `body` starts when all instances that are there are known, or without any after ``DiscoveryOptions/initialWait``; see
    /// ``ServiceDiscovery/isStale``.
    ///
    /// When that cannot go on (the user may not read the keys any more, or the client is closed), the task of `body` is
    /// cancelled, and once `body` has ended, the reason is thrown. `body` runs in a child task, because only that can be
    /// cancelled.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - options: What to make of what is seen.
    ///   - body: Uses what is known, which ends with the scope.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``EtcdError``, among its codes `invalidArgument`.
    @discardableResult
    public func withDiscovery<Result: Sendable>(
        of service: String,
        options: DiscoveryOptions = DiscoveryOptions(),
        _ body: @escaping @Sendable (ServiceDiscovery) async throws -> Result
    ) async throws -> Result {
        let follower = DiscoveryFollower(service, try folder(of: service), options)
        return try await client.withMirror(of: follower.range, options: follower.mirrorOptions) { mirror in
            async let _ = follower.run(mirror)
            try await follower.feed.waitForFirst(mirror)
            return try await body(ServiceDiscovery(follower, mirror))
        }
    }

    /// Follows the instances of a service until what is returned is closed or dropped.
    ///
    /// For where a scope does not fit; see ``withDiscovery(of:options:_:)``.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - options: What to make of what is seen.
    /// - Returns: What is known: all instances that are there, or none after ``DiscoveryOptions/initialWait``.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`.
    public func discovery(
        of service: String,
        options: DiscoveryOptions = DiscoveryOptions()
    ) async throws(EtcdError) -> ServiceDiscovery {
        let follower = DiscoveryFollower(service, try folder(of: service), options)
        let mirror = try await client.mirror(of: follower.range, options: follower.mirrorOptions)
        let discovery = ServiceDiscovery(follower, mirror, following: Task { await follower.run(mirror) })
        try await follower.feed.waitForFirst(mirror)
        return discovery
    }
}

extension Registration {
    fileprivate func whileRegistered<Result: Sendable>(
        _ body: @escaping @Sendable (Registration) async throws -> Result
    ) async throws -> Result {
        try await tenure.whileHeld { try await body(self) }
    }

    /// Waits until others can see the instance, or that cannot be.
    fileprivate func awaitFirstOutcome() async throws -> Bool? {
        for await state in states {
            switch state {
            case .registered: return true
            case .pending(let error as EtcdError) where !error.mayPass: throw error
            case .degraded(let error as EtcdError) where !error.mayPass: throw error
            case .pending, .degraded: continue
            case .superseded: throw CoordinationLoss(.superseded)
            case .deregistered: throw CoordinationLoss(.released)
            }
        }
        throw EtcdError(.cancelled, "the task was cancelled")
    }
}

extension ServiceInstance {
    /// Throws if others could not read the instance, or its key would be another's.
    func validate() throws(EtcdError) {
        try Self.validate(service, as: "name of a service")
        try Self.validate(id, as: "id of an instance")
        if address.isEmpty { throw EtcdError(.invalidArgument, "\(id): the address is empty") }
        if !(1...65_535).contains(port) { throw EtcdError(.invalidArgument, "\(id): \(port) is not a port") }
        if weight < 1 { throw EtcdError(.invalidArgument, "\(id): a weight of \(weight)") }
    }

    static func validate(_ name: String, as what: String) throws(EtcdError) {
        if name.isEmpty { throw EtcdError(.invalidArgument, "the \(what) is empty") }
        if name.utf8.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(name)\" is no \(what): it contains a slash")
        }
    }
}
