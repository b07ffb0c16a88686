// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns
public import GRPCCore
public import GRPCNIOTransportCore

/// Resolves a service to the instances that are registered in etcd, so that a gRPC client balances over them.
///
/// ```swift
/// var resolvers = NameResolverRegistry.defaults
/// resolvers.registerFactory(EtcdNameResolver(registry))
/// let transport = try HTTP2ClientTransport.Posix(
///     target: .etcd(service: "greeter"),
///     transportSecurity: .plaintext,
///     resolverRegistry: resolvers
/// )
/// ```
///
/// The client is updated when an instance comes, goes or drains, and keeps the known instances while etcd is away.
/// While none takes requests, calls fail with the status `unavailable`, unless they wait for ready.
///
/// Instances may be registered with host names, but these are resolved only when the registry changes: a name that gets
/// other addresses keeps its old ones until then. So register instances that may move with their addresses.
public struct EtcdNameResolver: NameResolverFactory, Sendable {
    /// A service in the registry.
    public typealias Target = ResolvableTargets.EtcdService

    private let registry: ServiceRegistry
    private let options: DiscoveryOptions
    private let serviceConfig: ServiceConfig

    /// Makes a resolver.
    ///
    /// - Parameters:
    ///   - registry: The registry in which the instances are.
    ///   - options: Protection from mass losses, and checks.
    ///   - serviceConfig: The configuration that clients get with the addresses, in place of their own; by default, calls
    ///     go to the instances in turns.
    public init(
        _ registry: ServiceRegistry,
        options: DiscoveryOptions = DiscoveryOptions(),
        serviceConfig: ServiceConfig = ServiceConfig(loadBalancingConfig: [.roundRobin])
    ) {
        self.registry = registry
        self.options = options
        self.serviceConfig = serviceConfig
    }

    /// Makes the resolver of a service.
    ///
    /// - Parameter target: The service.
    /// - Returns: The resolver, which follows the instances while it is iterated.
    public func resolver(for target: Target) -> NameResolver {
        let names = InstanceAddresses(
            service: target.name,
            registry: registry,
            options: options,
            serviceConfig: serviceConfig
        )
        return NameResolver(names: RPCAsyncSequence(wrapping: names), updateMode: .push, authority: target.name)
    }
}

extension ResolvableTargets {
    /// A service whose instances are registered in etcd; see ``EtcdNameResolver``.
    public struct EtcdService: ResolvableTarget, Sendable {
        /// The name of the service.
        public var name: String

        /// Makes a target.
        ///
        /// - Parameter name: The name of the service.
        public init(name: String) { self.name = name }
    }
}

extension ResolvableTarget where Self == ResolvableTargets.EtcdService {
    /// A service whose instances are registered in etcd; see ``EtcdNameResolver``.
    ///
    /// - Parameter service: The name of the service.
    /// - Returns: The target.
    public static func etcd(service: String) -> Self { Self(name: service) }
}
