// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// A private etcd with a light load, for new users.
struct Demo: Sendable {
    /// Receives instructions for breaking the members; nil if there is no time for it.
    let terminal: Terminal?
    /// Whether there is a load, and killed members are started again.
    var isUnderLoad = true

    /// Runs `body` with a three-member cluster, and removes it.
    func run<Result: Sendable>(_ body: ([Endpoint]) async throws -> Result) async throws -> Result {
        terminal?.show("Starting a private three-member etcd cluster …")
        return try await withEtcdCluster(members: 3) { cluster in
            explain(cluster.members)
            terminal?.show(
                """
                To see how the monitor reacts: "kill -STOP PROCESS" freezes a member, "kill -CONT PROCESS" thaws it, and
                "kill -KILL PROCESS" kills it; it starts again after 20 s. Ctrl-C ends and removes everything.
                """
            )
            let endpoints = try Endpoint.list(cluster.endpoints.joined(separator: ","))
            guard isUnderLoad else { return try await body(endpoints) }
            return try await withEtcdClient(EtcdClient.Configuration(endpoints: endpoints)) { client in
                async let _: Void = work(client)
                async let _: Void = care(for: cluster.members)
                return try await body(endpoints)
            }
        }
    }

    /// Prints the process of each member.
    private func explain(_ members: [EtcdMember]) {
        for member in members {
            guard let process = member.processID else { continue }
            terminal?.show("  \(member.name) at \(member.endpoint) is the process \(process)")
        }
    }

    /// Writes, reads and deletes a little, regardless of failures.
    private func work(_ client: EtcdClient) async {
        var round = 0
        while !Task.isCancelled {
            let key = Key("demo/\(round % 100)")
            _ = try? await client.put(key, Value(String(repeating: "x", count: 200)))
            _ = try? await client.get(key)
            if round % 10 == 0 { _ = try? await client.delete(key) }
            round += 1
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Starts killed members again, after a while in which the failure is visible.
    private func care(for members: [EtcdMember]) async {
        var missing: [String: ContinuousClock.Instant] = [:]
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            for member in members {
                missing[member.name] = member.isRunning ? nil : missing[member.name] ?? .now
            }
            let due = members.filter { member in missing[member.name].map { .now - $0 >= .seconds(20) } ?? false }
            // Concurrently, because a member is ready only when a majority is.
            await withTaskGroup(of: Void.self) { group in
                for member in due {
                    group.addTask { [self] in
                        // If it fails, it is tried again.
                        guard (try? await member.restart()) != nil else { return }
                        terminal?.show("\(member.name) was restarted:")
                        explain([member])
                    }
                }
            }
        }
    }
}
