// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import EtcdPatterns
public import ServiceLifecycle

/// A part of etcd-kit as a service of a `ServiceGroup`.
///
/// ```swift
/// let group = ServiceGroup(
///     services: [
///         EtcdService.client(client),
///         EtcdService("report") { try await reportTask.run() },
///         server,
///         EtcdService.registration(of: instance, in: registry),
///     ],
///     gracefulShutdownSignals: [.sigterm],
///     logger: logger
/// )
/// ```
///
/// A group starts its services in the order of the list, and shuts them down in the reverse order, one after the other.
/// So the client comes first, and the registration last: it makes others stop sending requests before the server stops.
public struct EtcdService: Service, CustomStringConvertible {
    /// The name of the service in the logs of its group.
    public let description: String
    private let body: @Sendable () async throws -> Void

    init(name: String, _ body: @escaping @Sendable () async throws -> Void) {
        description = name
        self.body = body
    }

    /// A service that runs until the graceful shutdown, which cancels it.
    ///
    /// Each `run()` of the patterns and of the monitor can be such a body: it returns once its work has ended and its
    /// grants are released.
    ///
    /// - Parameters:
    ///   - name: The name of the service in the logs of its group.
    ///   - body: Does the work until its task is cancelled. An error due to this is no failure of the service.
    public init(_ name: String, run body: @escaping @Sendable () async throws -> Void) {
        self.init(name: name) {
            try await cancelWhenGracefulShutdown { try await ignoringCancellation(body) }
        }
    }

    /// A service that does nothing until the graceful shutdown, and then closes something.
    ///
    /// - Parameters:
    ///   - name: The name of the service in the logs of its group.
    ///   - close: Closes it, also when the group is cancelled.
    /// - Returns: The service.
    public static func closing(_ name: String, _ close: @escaping @Sendable () async -> Void) -> EtcdService {
        EtcdService(name: name) {
            // It throws when the group is cancelled, which also ends the service.
            try? await gracefulShutdown()
            await close()
        }
    }

    /// Does the work of the service.
    ///
    /// - Throws: An error that ends the group.
    public func run() async throws { try await body() }
}

extension EtcdService {
    /// Closes a client at the graceful shutdown.
    ///
    /// As the first service in the list, it closes the client last.
    ///
    /// - Parameter client: The client.
    /// - Returns: The service.
    public static func client(_ client: EtcdClient) -> EtcdService {
        closing("etcd client") { await client.close() }
    }

    /// Closes a configuration at the graceful shutdown: its file is written once more.
    ///
    /// - Parameter configuration: The configuration.
    /// - Returns: The service.
    public static func configuration(_ configuration: ConfigManager) -> EtcdService {
        closing("configuration \(configuration.name)") { await configuration.close() }
    }

    /// Closes feature flags at the graceful shutdown; they keep their last definitions.
    ///
    /// - Parameter flags: The flags.
    /// - Returns: The service.
    public static func flags(_ flags: FeatureFlags) -> EtcdService {
        closing("flags \(flags.name)") { await flags.close() }
    }

    /// Closes a discovery at the graceful shutdown; it keeps the known instances.
    ///
    /// - Parameter discovery: A discovery without a scope, as made by `ServiceRegistry.discovery(of:options:)`.
    /// - Returns: The service.
    public static func discovery(_ discovery: ServiceDiscovery) -> EtcdService {
        closing("discovery of \(discovery.view.service)") { await discovery.close() }
    }

    /// Closes a load balancer at the graceful shutdown; it still balances over the known instances.
    ///
    /// - Parameter balancer: A balancer without a scope, as made by
    ///   `ServiceRegistry.loadBalancer(for:policy:options:discovery:)`.
    /// - Returns: The service.
    public static func balancer(_ balancer: LoadBalancer) -> EtcdService {
        closing("balancer of \(balancer.service)") { await balancer.close() }
    }

    /// Takes part in an election, and works as the leader in each term.
    ///
    /// The graceful shutdown cancels the work; once it has ended, the leadership is given up, and the next candidate leads.
    /// The service ends with an error of `body` that `LeaderElection.run` throws.
    ///
    /// - Parameters:
    ///   - election: The election.
    ///   - body: Does what the leader does, until its task is cancelled.
    /// - Returns: The service.
    public static func election(
        _ election: LeaderElection,
        lead body: @escaping @Sendable (LeaderTerm) async throws -> Void
    ) -> EtcdService {
        EtcdService("election \(election.name)") { try await election.run(body) }
    }
}

/// Runs `body`; an error due to the cancellation of the task is not thrown.
func ignoringCancellation(_ body: () async throws -> Void) async throws {
    do {
        try await body()
    } catch {
        let isCancellation = error is CancellationError || (error as? EtcdError)?.code == .cancelled
        if !(Task.isCancelled && isCancellation) { throw error }
    }
}
