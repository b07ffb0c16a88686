// SPDX-License-Identifier: Apache-2.0

#if GRPCTransport
    import EtcdGRPC
    import EtcdKit
    import EtcdPatterns
    import EtcdTesting
    import GRPCCore
    import GRPCNIOTransportHTTP2Posix
    import Testing

    @Suite("EtcdGRPC with a transport", .timeLimit(.minutes(2)))
    struct GRPCTransportTests {
        private static let method = MethodDescriptor(fullyQualifiedService: "test.Greeter", method: "Name")

        /// Messages are text.
        private struct TextCoder: MessageSerializer, MessageDeserializer {
            func serialize<Bytes: GRPCContiguousBytes>(_ message: String) throws -> Bytes { Bytes(Array(message.utf8)) }

            func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> String {
                bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }
        }

        /// Answers with its name.
        private struct Greeter: RegistrableRPCService {
            let name: String

            func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
                router.registerHandler(
                    forMethod: GRPCTransportTests.method,
                    deserializer: TextCoder(),
                    serializer: TextCoder()
                ) { [name] _, _ in
                    StreamingServerResponse(single: ServerResponse(message: name))
                }
            }
        }

        /// Runs a server while `body` runs.
        private func withGreeter<Result: Sendable>(
            _ name: String,
            _ body: (ServiceInstance) async throws -> Result
        ) async throws -> Result {
            let transport = HTTP2ServerTransport.Posix(
                address: .ipv4(host: "127.0.0.1", port: 0),
                transportSecurity: .plaintext
            )
            return try await withGRPCServer(transport: transport, services: [Greeter(name: name)]) { _ in
                let port = try #require(try await transport.listeningAddress.ipv4?.port)
                return try await body(ServiceInstance(service: "greeter", id: name, address: "127.0.0.1", port: port))
            }
        }

        private func withClient(
            _ registry: ServiceRegistry,
            _ body: (_ call: () async throws -> String) async throws -> Void
        ) async throws {
            var resolvers = NameResolverRegistry.defaults
            resolvers.registerFactory(EtcdNameResolver(registry))
            let transport = try HTTP2ClientTransport.Posix(
                target: .etcd(service: "greeter"),
                transportSecurity: .plaintext,
                resolverRegistry: resolvers
            )
            try await withGRPCClient(transport: transport) { client in
                try await body {
                    var options = CallOptions.defaults
                    options.timeout = .seconds(10)
                    return try await client.unary(
                        request: ClientRequest(message: "?"),
                        descriptor: Self.method,
                        serializer: TextCoder(),
                        deserializer: TextCoder(),
                        options: options
                    ) { response in try response.message }
                }
            }
        }

        @Test("EtcdNameResolver balances over the instances that are registered, as they come and go")
        func balancing() async throws {
            try await withEtcd { client, cluster in
                let registry = try ServiceRegistry(client)
                try await withGreeter("a") { a in
                    try await withGreeter("b") { b in
                        let first = try await registry.register(a)
                        let second = try await registry.register(b)
                        try await withClient(registry) { call in
                            func names(_ count: Int) async throws -> Set<String> {
                                var names: Set<String> = []
                                for _ in 0..<count { names.insert(try await call()) }
                                return names
                            }
                            try await eventually { try await names(4) == ["a", "b"] }
                            try await first.update { $0.status = .draining }
                            try await eventually { try await names(4) == ["b"] }
                            try await first.update { $0.status = .up }
                            try await eventually { try await names(4) == ["a", "b"] }
                            await second.deregister()
                            try await eventually { try await names(4) == ["a"] }
                            // The addresses outlive etcd.
                            await cluster.members[0].kill()
                            #expect(try await names(4) == ["a"])
                        }
                        await first.deregister(timeout: .zero)
                    }
                }
            }
        }

        @Test("EtcdNameResolver lets calls fail while there is no instance, and succeed once there is one")
        func noInstance() async throws {
            try await withEtcd { client, _ in
                let registry = try ServiceRegistry(client)
                try await withGreeter("a") { a in
                    try await withClient(registry) { call in
                        let error = await #expect(throws: RPCError.self) { try await call() }
                        #expect(error?.code == .unavailable)
                        let registration = try await registry.register(a)
                        try await eventually { (try? await call()) == "a" }
                        await registration.deregister()
                    }
                }
            }
        }
    }
#endif
