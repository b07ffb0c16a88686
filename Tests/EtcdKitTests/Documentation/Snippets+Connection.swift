// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation

/// Configurations, errors and events; tests on a real etcd.
extension Snippets {
    static func configuration() throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: ["10.0.0.1:2379", "10.0.0.2:2379"])
        configuration.failover = .sticky
        configuration.endpointSyncInterval = .seconds(300)
        configuration.callTimeout = .seconds(5)
        configuration.retry = RetryPolicy(maximumAttempts: 5, attemptTimeout: .seconds(1))
        let client = try EtcdClient(configuration)
        return client
    }

    static func discovery() async throws -> EtcdClient {
        let endpoints = try await Endpoint.discover(domain: "example.com", secureOnly: true)
        let client = try EtcdClient(EtcdClient.Configuration(endpoints: endpoints))
        return client
    }

    static func failFast(_ client: EtcdClient) async {
        let fast = client.with(waitsForConnection: false)
        let limit = try? await fast.get("limit")?.value.string
        print(limit ?? "none")
    }

    static func metadata() throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: "10.0.0.1:2379")
        configuration.metadata = ["x-team": "payments"]
        let client = try EtcdClient(configuration)
        let traced = client.with(metadata: ["x-request-id": "42"])
        return traced
    }

    static func interceptors(_ configuration: inout EtcdClient.Configuration) {
        configuration.interceptors = [Tracing()]
    }

    static func scope(_ endpoints: String) async throws {
        let owner = try await withEtcdClient(endpoints: endpoints) { client in
            try await client.with(timeout: .seconds(1)).with(retry: .never).get("owner")
        }
        print(owner?.value ?? "nobody")
    }

    static func executor(_ client: EtcdClient) async throws {
        try await withTaskExecutorPreference(EtcdClient.executor) {
            for number in 1...1000 { try await client.put("numbers/\(number)", "\(number)") }
        }
    }

    static func syncedEndpoints(_ client: EtcdClient) async throws {
        print("the members are at", try await client.syncEndpoints())
    }

    static func errors(_ client: EtcdClient, _ lease: Lease.ID) async throws {
        do {
            try await client.put("alive/me", "1", lease: lease)
        } catch EtcdError.Code.ambiguous {
            print("perhaps done: read the key and compare")
        } catch EtcdError.Code.leaseNotFound {
            print("the lease has ended")
        } catch {
            let outcome = error.code.mayHaveTakenEffect ? "perhaps done:" : "not done:"
            print(outcome, error.code, error.message, error.cause ?? "no cause")
        }
    }

    static func errorsInClosure(_ client: EtcdClient) async {
        let task = Task {
            do {
                try await client.put("alive/me", "1")
            } catch let error as EtcdError {
                print("etcd:", error.code, error.message)
            } catch {
                print("another error:", error)
            }
        }
        await task.value
    }

    static func metrics(_ record: @escaping @Sendable (String, Duration, String) -> Void) throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: "10.0.0.1:2379")
        configuration.onEvent = { event in
            guard case .callFinished(let call, let outcome) = event else { return }
            record(call.method, outcome.duration, outcome.code?.description ?? "ok")
        }
        return try EtcdClient(configuration)
    }

    static func namedAuthority(_ authority: String) throws -> EtcdClient.Configuration {
        var configuration = try EtcdClient.Configuration(endpoints: "https://etcd-0:2379,unixs:///run/etcd.sock")
        configuration.tls = TLSConfiguration(trustedCertificates: .text(authority), serverName: "etcd.internal")
        try configuration.tls?.validate()
        return configuration
    }

    static func harm() async throws {
        var options = EtcdCluster.Options(memberCount: 3, extraArguments: ["--quota-backend-bytes=100000000"])
        options.canIsolate = true
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                try await client.put("k", "1")
                await cluster.isolate(cluster.members[0])
                print(try await client.get("k")?.value ?? "lost")
                await cluster.heal()
                await cluster.members[1].freeze()
                print(try await client.get("k")?.value ?? "lost")
                cluster.members[1].thaw()
                await cluster.members[2].kill()
                try await cluster.members[2].restart()
            }
        }
    }

    static func badNetwork(_ cluster: EtcdCluster) async throws {
        try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
            try await withEtcdClient(endpoints: proxy.endpoint) { client in
                try await client.put("k", "1")
                await proxy.delay(.milliseconds(20), .toClient)
                await proxy.cut(afterBytes: 10, .toClient)
                print(try await client.get("k")?.value ?? "lost", await proxy.counters.acceptedConnections)
            }
        }
    }

    static func certificates(_ folder: String) async throws {
        let authority = try TestCertificateAuthority()
        let server = try authority.issue("etcd")
        try server.certificate.write(toFile: "\(folder)/etcd.pem", atomically: true, encoding: .utf8)
        try server.key.write(toFile: "\(folder)/etcd-key.pem", atomically: true, encoding: .utf8)
        var options = EtcdCluster.Options()
        options.tls = EtcdCluster.ServerTLS(
            certificateFile: "\(folder)/etcd.pem",
            keyFile: "\(folder)/etcd-key.pem"
        )
        try await withEtcdCluster(options) { cluster in
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.tls = TLSConfiguration(trustedCertificates: .text(authority.certificate))
            try await withEtcdClient(configuration) { client in
                print("put at revision", try await client.put("k", "secret").header.revision)
            }
        }
    }
}

/// As swift-distributed-tracing has them.
struct Span: Sendable {
    var traceparent: String { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }

    func fail(_ reason: String) {}
}

func withSpan(_ name: String, _ operation: (Span) async throws -> Void) async rethrows { try await operation(Span()) }

struct Tracing: CallInterceptor {
    func intercept(
        _ call: EtcdClient.Call,
        metadata: CallMetadata,
        next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async throws {
        await withSpan(call.method) { span in
            var metadata = metadata
            metadata["traceparent"] = span.traceparent
            let outcome = await next(metadata)
            if let code = outcome.code { span.fail("\(code)") }
        }
    }
}
