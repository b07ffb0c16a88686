// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// `make test` runs one test at a time in a process, so only the client's sockets and threads are counted.
@Suite(
    "EtcdClient: nothing is leaked",
    .measurement,
    .enabled(if: ProcessFigures.areAvailable),
    .timeLimit(.minutes(3))
)
struct LeakTests {
    @Test("10,000 calls cancelled at random moments leave no socket, thread or stream behind, and all end")
    func cancelledCalls() async throws {
        try await withPrivateEtcd { client, cluster in
            try await warmUp(client)
            let (sockets, threads) = (ProcessFigures.socketCount, ProcessFigures.threadCount)
            for _ in 0..<100 {
                // A hundred at a time, so that each meets calls in every state.
                let tasks = (0..<100).map { _ in Task { try await randomCall(client) } }
                for task in tasks.shuffled() {
                    if Bool.random() { await Task.yield() }
                    if Int.random(in: 0..<4) == 0 { try await Task.sleep(for: .microseconds(.random(in: 1...300))) }
                    task.cancel()
                }
                for task in tasks {
                    if case .failure(let error) = await task.result {
                        try #require((error as? EtcdError)?.code == .cancelled, "\(error)")
                    }
                }
            }
            try await expectQuiet(client, cluster)
            #expect(ProcessFigures.socketCount == sockets)
            // Swift's own pool may have grown by a thread a processor.
            #expect(ProcessFigures.threadCount <= threads + 8)
            try await client.put("alive", "1")
        }
    }

    @Test("1,000 clients dropped without close, some with calls under way, leave no socket or thread behind")
    func droppedClients() async throws {
        try await withPrivateEtcd { client, cluster in
            try await warmUp(client)
            let (sockets, threads) = (ProcessFigures.socketCount, ProcessFigures.threadCount)
            let endpoint = cluster.members[0].endpoint
            for round in 0..<50 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<20 {
                        group.addTask { try await useAndDropClient(endpoint, inWay: (round + number) % 5) }
                    }
                    try await group.waitForAll()
                }
            }
            try await eventually("all sockets are closed") { ProcessFigures.socketCount == sockets }
            try await expectQuiet(client, cluster)
            #expect(ProcessFigures.threadCount <= threads + 8)
        }
    }

    @Test("the control: clients that are held keep their descriptors")
    func heldClients() async throws {
        try await withPrivateEtcd { client, cluster in
            try await warmUp(client)
            let sockets = ProcessFigures.socketCount
            var held: [EtcdClient] = []
            for _ in 0..<20 {
                let other = try EtcdClient(endpoints: cluster.members[0].endpoint)
                try await other.put("held", "1")
                held.append(other)
            }
            #expect(ProcessFigures.socketCount == sockets + 20)
            for other in held { await other.close() }
            #expect(ProcessFigures.socketCount == sockets)
        }
    }
}

/// Makes a client and drops it.
private func useAndDropClient(_ endpoint: String, inWay way: Int) async throws {
    let client = try EtcdClient(endpoints: endpoint)
    switch way {
    case 0:
        break
    case 1:
        try await client.put("dropped", "1")
    case 2:
        try await client.put("dropped", "1")
        for try await _ in client.watch(.key("dropped"), from: 1) { break }
    case 3:
        let lease = try await client.leases.grant(timeToLive: .seconds(60))
        for try await _ in client.leases.keepAlive(lease) { break }
    default:
        let task = Task { try await randomCall(client) }
        task.cancel()
        _ = await task.result
    }
}

/// Makes the threads and descriptors that are never closed.
private func warmUp(_ client: EtcdClient) async throws {
    try await Task.sleep(for: .milliseconds(1))
    try await client.put("k", "1")
    await withTaskGroup { group in
        for _ in 0..<100 { group.addTask { _ = try? await client.get("k") } }
    }
}

/// One call of some kind; those that would last for ever are there to be cancelled.
private func randomCall(_ client: EtcdClient) async throws {
    switch Int.random(in: 0..<8) {
    case 0: try await client.put("k", "1")
    case 1: _ = try await client.get("k")
    case 2: _ = try await client.range(.all)
    case 3: for try await _ in client.watch(.key("never")) {}
    case 4: try await client.withWatch(.key("k"), from: 1) { events in for try await _ in events {} }
    case 5: try await client.transaction(if: [.exists("k")], then: [.get("k")])
    case 6: for try await _ in client.entries(in: .all, pageSize: 1) {}
    default: for try await _ in client.leases.keepAlive(try await client.leases.grant(timeToLive: .seconds(30))) {}
    }
}

/// Waits until no stream is open on the client's connection, and no watch at the server.
private func expectQuiet(_ client: EtcdClient, _ cluster: EtcdCluster) async throws {
    try await eventually("no stream is open") { await client.openStreamCount == 0 }
    try await eventually("no watch is left at the server") {
        try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") == 0
    }
}
