// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// A private etcd with a little work to do, for newcomers to look at.
struct Demo: Sendable {
    /// Where to tell how the members can be harmed; nil for nowhere, where there is no time for it.
    let terminal: Terminal?
    /// Somebody works on it, and members that were killed are started again.
    var isUnderLoad = true

    /// Lends a cluster of three members to `body`, and removes it.
    func run<Result: Sendable>(_ body: ([Endpoint]) async throws -> Result) async throws -> Result {
        terminal?.show("Starting a private etcd of three members …")
        return try await withEtcdCluster(members: 3) { cluster in
            explain(cluster.members)
            terminal?.show(
                """
                To see what the monitor makes of it: "kill -STOP PROCESS" freezes a member, "kill -CONT PROCESS" thaws it, and
                "kill -KILL PROCESS" ends it, until it is started again after 20 s. Ctrl-C ends and removes all of this.
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

    /// Says which process is which member.
    private func explain(_ members: [EtcdMember]) {
        for member in members {
            guard let process = member.processID else { continue }
            terminal?.show("  \(member.name) at \(member.endpoint) is the process \(process)")
        }
    }

    /// Writes, reads and deletes a little, whatever happens to the members.
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

    /// Starts members that were killed again, after a while in which it can be seen that they are gone.
    private func care(for members: [EtcdMember]) async {
        var missing: [String: ContinuousClock.Instant] = [:]
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            for member in members {
                missing[member.name] = member.isRunning ? nil : missing[member.name] ?? .now
            }
            let due = members.filter { member in missing[member.name].map { .now - $0 >= .seconds(20) } ?? false }
            // Side by side, since a member is ready only when a majority is.
            await withTaskGroup(of: Void.self) { group in
                for member in due {
                    group.addTask { [self] in
                        // It is tried again if it fails.
                        guard (try? await member.restart()) != nil else { return }
                        terminal?.show("\(member.name) was started again:")
                        explain([member])
                    }
                }
            }
        }
    }
}
