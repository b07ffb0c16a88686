// SPDX-License-Identifier: Apache-2.0

import EtcdPatterns
import GRPCCore
import GRPCNIOTransportCore

/// The addresses of the instances that take requests, each time that the instances change.
///
/// Host names are resolved only then.
struct InstanceAddresses: AsyncSequence, Sendable {
    typealias Element = NameResolutionResult
    typealias Failure = any Error

    let service: String
    let registry: ServiceRegistry
    let options: DiscoveryOptions
    let serviceConfig: ServiceConfig

    func makeAsyncIterator() -> Iterator { Iterator(addresses: self) }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let addresses: InstanceAddresses
        /// The discovery ends with the last copy of the iterator.
        private var following: (discovery: ServiceDiscovery, views: any AsyncIteratorProtocol<ServiceView, any Error>)?
        private var last: [GRPCNIOTransportCore.Endpoint] = []

        init(addresses: InstanceAddresses) { self.addresses = addresses }

        mutating func next() async throws -> NameResolutionResult? { try await next(isolation: nil) }

        mutating func next(isolation actor: isolated (any Actor)?) async throws(any Error) -> NameResolutionResult? {
            do {
                return try await nextAddresses(isolation: actor)
            } catch {
                // The channel does not try again after this one.
                if Task.isCancelled { throw CancellationError() }
                throw RPCError(code: .unavailable, message: "\(error)", cause: error)
            }
        }

        private mutating func nextAddresses(isolation actor: isolated (any Actor)?) async throws -> Element? {
            let isFirst = following == nil
            if isFirst {
                let discovery = try await addresses.registry.discovery(
                    of: addresses.service,
                    options: addresses.options
                )
                following = (discovery, discovery.views.makeAsyncIterator())
            }
            while let view = try await following?.views.next(isolation: actor) {
                let available = view.available
                // The channel keeps its last addresses, and tries again after an error, which is what callers see.
                if available.isEmpty, last.isEmpty { throw NoInstance(service: addresses.service) }
                if available.isEmpty { continue }
                let endpoints = try await Self.endpoints(of: available)
                if endpoints == last { continue }
                last = endpoints
                return NameResolutionResult(endpoints: endpoints, serviceConfig: .success(addresses.serviceConfig))
            }
            return nil
        }

        /// An endpoint for each instance; one whose name cannot be resolved is left out, unless none can be.
        private static func endpoints(of instances: [ServiceInstance]) async throws -> [GRPCNIOTransportCore.Endpoint] {
            var endpoints: [GRPCNIOTransportCore.Endpoint] = []
            var failure: (any Error)?
            for instance in instances {
                // Addresses need no lookup.
                let target = ResolvableTargets.DNS(host: instance.address, port: instance.port)
                do {
                    var names = NameResolvers.DNS().resolver(for: target).names.makeAsyncIterator()
                    endpoints += try await names.next()?.endpoints ?? []
                } catch {
                    failure = error
                }
            }
            if endpoints.isEmpty, let failure { throw failure }
            return endpoints
        }
    }

    /// No instance takes requests.
    private struct NoInstance: Error, CustomStringConvertible {
        let service: String
        var description: String { "no instance of \"\(service)\" takes requests" }
    }
}
