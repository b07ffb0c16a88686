// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns
@testable import PatternsWorker

@Suite("DistributedLock: acquisitions given up under faults", .cluster, .timeLimit(.minutes(PatternRun.minutes)))
struct GivenUpTests {
    @Test("2,000 acquisitions that are cancelled while answers get lost leave no keys behind")
    func cancelled() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withEtcdClient(endpoints: endpoint) { witness in
                try await PatternRun.repeating { round in
                    let name = Key("cancelled-\(round)")
                    let unknown = Lock(0)
                    let start = try await witness.range(.key(name)).header.revision
                    try await withThrowingDiscardingTaskGroup { group in
                        for place in 0..<8 {
                            group.addTask {
                                try await Self.cancel(250, name, at: endpoint, sharesSession: place < 4, unknown)
                            }
                        }
                    }
                    let clock = ContinuousClock.now
                    let grant = try await DistributedLock("\(name)", on: .client(witness)).acquire(
                        timeout: .seconds(50)
                    )
                    let wait = ContinuousClock.now - clock
                    await grant.release()
                    // Keys that were left would stay for the minute that their leases live.
                    #expect(wait < .seconds(20), "the next had to wait for \(wait)")
                    try await eventually("no key is left") { try await witness.range(.prefix(name + "/")).count == 0 }
                    let puts = try await Self.puts(of: name, after: start, witness)
                    let count = unknown.withLock { $0 }
                    print("2000 cancelled: \(puts) keys were put, \(count) outcomes unknown, next after \(wait)")
                    #expect(count > 20 && puts > 200, "the control: answers were lost, keys were there")
                }
            }
        }
    }

    /// Begins acquisitions by a client of its own, while its connections break, and cancels them at random moments.
    private static func cancel(
        _ count: Int,
        _ name: Key,
        at endpoint: String,
        sharesSession: Bool,
        _ unknown: Lock<Int>
    ) async throws {
        try await withFaultProxy(to: endpoint) { proxy in
            var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
            configuration.onEvent = { event in
                guard case .callFinished(_, let outcome) = event, outcome.code == .ambiguous else { return }
                unknown.withLock { $0 += 1 }
            }
            try await withEtcdClient(configuration) { client in
                let session = sharesSession ? try await Session(client, timeToLive: .seconds(60)) : nil
                let lock =
                    if let session { try DistributedLock("\(name)", on: .session(session)) } else {
                        try DistributedLock("\(name)", on: .client(client, timeToLive: .seconds(60)))
                    }
                let faults = Task { while !Task.isCancelled { await loseAnswers(proxy) } }
                await withTaskGroup(of: Void.self) { group in
                    for number in 0..<count {
                        if number >= 25 { await group.next() }
                        group.addTask {
                            let task = Task { try await lock.withLock { _ in } }
                            try? await Task.sleep(for: .microseconds(.random(in: 0...150_000)))
                            task.cancel()
                            _ = await task.result
                        }
                    }
                }
                faults.cancel()
                await faults.value
                await session?.close()
            }
        }
    }

    /// The server gets the requests, and its answers are lost, in one way or another.
    private static func loseAnswers(_ proxy: FaultProxy) async {
        switch Int.random(in: 0..<3) {
        case 0: await proxy.stall(.toClient)
        case 1: await proxy.blackhole(.toClient)
        default: await proxy.cut(afterBytes: .random(in: 0...2_000), .toClient)
        }
        try? await Task.sleep(for: .milliseconds(.random(in: 0...50)))
        await proxy.reset()
        await proxy.resume()
        try? await Task.sleep(for: .milliseconds(.random(in: 0...150)))
    }

    private static func puts(of name: Key, after start: Revision, _ client: EtcdClient) async throws -> Int {
        let end = try await client.put(name + "-end", "").header.revision
        var count = 0
        for try await event in client.watch(.prefix(name), from: start.next) {
            if event.revision == end { break }
            if event.kind == .put { count += 1 }
        }
        return count
    }

    @Test("50 killed processes leave no keys behind after the end of their leases")
    func killed() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withEtcdClient(endpoints: endpoint) { witness in
                try await PatternRun.repeating { round in
                    let order = WorkerOrder(.contend, endpoint, "killed-\(round)", timeToLive: .seconds(2))
                    let lock = try DistributedLock("\(order.name)", on: .client(witness))
                    var left = 0
                    try await WorkerFleet.lend(10, order) { fleet in
                        for generation in 1...5 {
                            try await withThrowingDiscardingTaskGroup { group in
                                for place in fleet.places {
                                    group.addTask {
                                        try await eventually(within: .seconds(60), "it is at work") {
                                            place.current?.events.isEmpty == false
                                        }
                                        try await Task.sleep(for: .milliseconds(.random(in: 0...300)))
                                        try await place.current?.kill()
                                        if generation < 5 { try place.start() }
                                    }
                                }
                            }
                        }
                        left = try await lock.queue().count
                    }
                    let clock = ContinuousClock.now
                    let grant = try await lock.acquire(timeout: .seconds(30))
                    let wait = ContinuousClock.now - clock
                    #expect(try await lock.queue().map(\.key) == [grant.key])
                    await grant.release()
                    // The lease's two seconds, and some time for etcd to end it.
                    #expect(wait < .seconds(6), "the next had to wait for \(wait)")
                    print("50 killed: \(left) keys were left, next after \(wait)")
                    #expect(left > 0, "the control: those killed last had keys")
                }
            }
        }
    }
}
