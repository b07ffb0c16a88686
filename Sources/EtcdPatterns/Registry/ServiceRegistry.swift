// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of services: they register here, and other processes discover them.
///
/// ```swift
/// let registry = try ServiceRegistry(client)
/// let instance = ServiceInstance(service: "api-server", id: "api-1", address: "192.168.1.100", port: 8080)
/// try await registry.withRegistration(of: instance) { registration in try await serve() }
/// ```
///
/// An instance is an entry under `<prefix>/<service>/<id>`, with a lease of its own. The value has the format of the
/// naming resolver of Go's etcd client. So gRPC programs in Go find the instances that register here, and the other way
/// round.
public struct ServiceRegistry: Sendable {
    /// The beginning of the keys of all instances, before a slash.
    public let prefix: String
    private let client: EtcdClient
    private let look: SharedLook

    /// Makes a registry.
    ///
    /// The registrations of one registry, and of its copies, check together whether their entries are still there.
    ///
    /// - Parameters:
    ///   - client: The client of the cluster.
    ///   - prefix: The beginning of the keys, before a slash.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ client: EtcdClient, prefix: String = "services") throws(EtcdError) {
        try Key(prefix).checkName(of: "registry")
        self.client = client
        self.prefix = prefix
        look = SharedLook(client)
    }

    private func folder(of service: String) throws(EtcdError) -> Key {
        try ServiceInstance.validate(service, as: "name of a service")
        return "\(prefix)/\(service)/"
    }

    // MARK: Registering

    /// Registers an instance, runs `body`, and deregisters the instance.
    ///
    /// If another process registers the same instance, the task of `body` is cancelled. Once `body` has ended, a
    /// ``CoordinationLoss`` for the reason `superseded` is thrown. `body` runs in a task of its own, so that it can be
    /// cancelled.
    ///
    /// - Parameters:
    ///   - instance: The instance.
    ///   - timeToLive: How long the entry outlives a process that has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while the check fails, others see the status `down`.
    ///   - initialWait: How long to wait for etcd before `body` starts although others cannot see the instance yet.
    ///   - body: Serves.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`, or the errors of ``register(_:timeToLive:check:initialWait:)``.
    @discardableResult
    public func withRegistration<Result: Sendable>(
        of instance: ServiceInstance,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        initialWait: Duration = .seconds(5),
        _ body: @escaping @Sendable (Registration) async throws -> Result
    ) async throws -> Result {
        let registration = try await register(instance, timeToLive: timeToLive, check: check, initialWait: initialWait)
        return try await registration.whileRegistered(body)
    }

    /// Registers an instance, and keeps it registered until ``Registration/deregister(timeout:)``.
    ///
    /// An existing registration of the same service and ID is superseded. If etcd cannot be reached within
    /// `initialWait`, the registration is returned in the state ``RegistrationState/pending(_:)``. Others see the
    /// instance as soon as etcd is reached.
    ///
    /// - Parameters:
    ///   - instance: The instance.
    ///   - timeToLive: How long the entry outlives a process that has died, in whole seconds (rounded up).
    ///   - check: How the process checks itself: while the check fails, others see the status `down`.
    ///   - initialWait: How long to wait until others can see the instance; `.zero` returns at once.
    /// - Returns: The registration; ``Registration/state`` shows whether others can see it yet.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`, `permissionDenied` and `requestTooLarge`;
    ///   ``CoordinationLoss`` when another process registers the same instance meanwhile; `CancellationError`.
    public func register(
        _ instance: ServiceInstance,
        timeToLive: Duration = .seconds(10),
        check: HealthCheck? = nil,
        initialWait: Duration = .seconds(5)
    ) async throws -> Registration {
        try instance.validate()
        let key = try folder(of: instance.service) + Key(instance.id)
        let registration = Registration(EntryKeeper(instance, client, key, timeToLive, check, look))
        do {
            _ = try await withTimeout(initialWait.bounded) { () async throws -> Void? in
                try await registration.waitUntilRegistered()
            }
            try Task.checkCancellation()
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
    public func discover(_ service: String) async throws(EtcdError) -> ServiceView {
        let folder = try folder(of: service)
        let response = try await client.range(.prefix(folder))
        var state = DiscoveryState(service: service, folder: folder, protection: nil)
        let entries = response.entries.map { RegistryEntry($0, of: service, in: folder) }
        state.apply(puts: entries, deletions: [], at: response.header.revision, .now)
        return state.view
    }

    /// Follows the instances of a service while `body` runs.
    ///
    /// `body` starts when all current instances are known, or without any after ``DiscoveryOptions/initialWait``; see
    /// ``ServiceDiscovery/isStale``.
    ///
    /// If the instances cannot be followed any more (the user may not read the keys, or the client is closed), the task of
    /// `body` is cancelled, and once `body` has ended, the reason is thrown. `body` runs in a task of its own, so that it
    /// can be cancelled.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - options: Protection from mass losses, and checks.
    ///   - body: Uses the discovery, which ends with the scope.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError``, among its codes `invalidArgument`.
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
            return try await body(ServiceDiscovery(follower.feed, mirror))
        }
    }

    /// Follows the instances of a service until the discovery is closed or dropped.
    ///
    /// For code where a scope does not fit; see ``withDiscovery(of:options:_:)``.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - options: Protection from mass losses, and checks.
    /// - Returns: A discovery that knows all current instances, or none after ``DiscoveryOptions/initialWait``.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`; `CancellationError`.
    public func discovery(
        of service: String,
        options: DiscoveryOptions = DiscoveryOptions()
    ) async throws -> ServiceDiscovery {
        let follower = DiscoveryFollower(service, try folder(of: service), options)
        let mirror = try await client.mirror(of: follower.range, options: follower.mirrorOptions)
        let discovery = ServiceDiscovery(follower.feed, mirror, following: Task { await follower.run(mirror) })
        try await follower.feed.waitForFirst(mirror)
        return discovery
    }
}
