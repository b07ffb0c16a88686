// SPDX-License-Identifier: Apache-2.0

#if GRPCTransport
    import EtcdGRPC
    import EtcdPatterns
    import GRPCCore
    import GRPCNIOTransportHTTP2Posix

    func grpc(registry: ServiceRegistry) async throws {
        var resolvers = NameResolverRegistry.defaults
        resolvers.registerFactory(EtcdNameResolver(registry))
        let transport = try HTTP2ClientTransport.Posix(
            target: .etcd(service: "greeter"),
            transportSecurity: .plaintext,
            resolverRegistry: resolvers
        )
        try await withGRPCClient(transport: transport) { client in
            _ = client
        }
    }
#endif
