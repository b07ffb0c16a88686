// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// The code of README.md and Docs, so that it compiles and runs; ``DocumentationTests`` holds the two together.
enum Snippets {
    static func greeting(_ endpoints: String) async throws {
        let client = try EtcdClient(endpoints: endpoints)
        try await client.put("greeting", "hello")
        if let entry = try await client.get("greeting") {
            print(entry.key, "is", entry.value, "since revision", entry.modRevision)
        }
        for try await event in client.watch(.key("greeting"), from: 1) {
            print("revision \(event.revision): \(event.kind) of \(event.key)")
            break
        }
        await client.close()
    }

    static func transaction(_ client: EtcdClient) async throws {
        let response = try await client.transaction(
            if: [.isMissing("owner"), .version("users/1") == 3, .value("mode") != "frozen"],
            then: [.put("owner", "me"), .delete("draft")],
            else: [.get("owner")]
        )
        print(response.succeeded ? "mine" : "owned by \(response.results[0].entries)")
    }

    static func lease(_ client: EtcdClient, _ work: @escaping @Sendable () async throws -> Void) async throws {
        try await client.withLease(timeToLive: .seconds(10)) { lease in
            try await client.put("alive/me", "1", lease: lease.id)
            try await work()
        }
    }

    static func watch(_ client: EtcdClient) async throws {
        let now = try await client.range(.prefix("jobs/"))
        do {
            for try await batch in client.watch(.prefix("jobs/"), from: now.header.revision.next).batches {
                print("revision \(batch.revision) changed \(batch.events.map(\.key))")
            }
        } catch {
            guard error.code == .compacted else { throw error }
            print("too far behind: list again")
        }
    }

    static func ambiguity(_ client: EtcdClient) async throws {
        let before = try await client.get("counter")
        do {
            try await client.put("counter", "2")
        } catch EtcdError.Code.ambiguous {
            let after = try await client.get("counter")
            if after?.modRevision == before?.modRevision { print("not done so far") }
        }
    }

    static func resync(_ client: EtcdClient, from revision: Revision) async throws {
        var options = WatchOptions()
        options.onCompaction = .resync
        for try await batch in client.watch(.prefix("jobs/"), from: revision, options: options).batches {
            print(batch.isResync ? "what is different now:" : "what has happened:", batch.events.map(\.key))
        }
    }

    static func leaseStates(_ client: EtcdClient, _ lease: Lease) async throws {
        for try await state in client.leases.keepAlive(lease) {
            switch state {
            case .active: break
            case .atRisk(let deadline, let cause): print("lost at \(deadline):", cause ?? "nothing known")
            }
        }
    }

    static func events() throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: "10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379")
        configuration.onEvent = { event in
            switch event {
            case .callStarted, .callFinished: break
            default: print("etcd:", event)
            }
        }
        let client = try EtcdClient(configuration)
        return client
    }

    static func tls() throws -> EtcdClient.Configuration {
        var configuration = try EtcdClient.Configuration(endpoints: "https://10.0.0.1:2379,https://10.0.0.2:2379")
        configuration.tls = TLSConfiguration(
            trustedCertificates: .file("/etc/etcd/ca.pem"),
            certificateChain: .file("/etc/etcd/client.pem"),
            privateKey: .file("/etc/etcd/client-key.pem")
        )
        try configuration.tls?.validate()
        return configuration
    }

    static func testing() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                try await client.put("k", "1")
                await proxy.cut()
                await cluster.members[1].kill()
                print(try await client.get("k")?.value ?? "lost")
            }
        }
    }
}
