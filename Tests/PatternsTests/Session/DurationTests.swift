// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Durations that no clock can count, and negative ones: none of them leads to a crash.
@Suite("Durations of any length", .live, .timeLimit(.minutes(3)))
struct DurationTests {
    static let extremes: [Duration] = [
        .seconds(Int64.max), .seconds(Int64.min), .seconds(-1), .zero, .nanoseconds(1),
        Duration(attoseconds: .max), Duration(attoseconds: .min),
    ]

    @Test("work as timeouts of calls that wait", arguments: extremes)
    func timeouts(_ timeout: Duration) async throws {
        try await withLiveClient { client, name in
            let session = try await Session(client, timeToLive: .seconds(60))
            let isLong = timeout > .seconds(1)
            func isOver(_ error: any Error) -> Bool {
                guard let error = error as? EtcdError else { return error is BusyError }
                return [.deadlineExceeded, .unavailable].contains(error.code)
            }
            func check<Grant>(_ operation: (Duration) async throws -> Grant, _ give: (Grant) async -> Void) async {
                do {
                    await give(try await operation(timeout))
                } catch {
                    #expect(!isLong && isOver(error), "\(error)")
                }
            }
            await check {
                try await DistributedLock("\(name + "-1")", on: .session(session)).acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await DistributedLock("\(name + "-1")", on: .session(session)).withLock(timeout: $0) { _ in }
            } _: {
            }
            await check {
                try await ReadWriteLock("\(name + "-2")", on: .session(session)).reading.acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await ReadWriteLock("\(name + "-3")", on: .session(session)).writing.acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await Semaphore("\(name + "-4")", limit: 2, on: .session(session)).acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await LockManager("\(name + "-5")", on: .session(session)).acquire(["a", "b"], timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await LeaderElection("\(name + "-6")", candidate: "a", on: .session(session)).campaign(timeout: $0)
            } _: {
                await $0.resign(timeout: timeout)
            }
            await check {
                try await DoubleBarrier("\(name + "-7")", count: 1, on: .session(session)).enter(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await Barrier("\(name + "-8")", on: .session(session)).wait(timeout: $0)
            } _: { _ in
            }
            await check {
                try await MemberGroup("\(name + "-9")", on: .client(client)).join(as: "a", timeout: $0)
            } _: {
                await $0.leave(timeout: timeout)
            }
            await session.close(timeout: timeout)
        }
    }

    @Test("are refused as times to live", arguments: extremes)
    func timesToLive(_ timeToLive: Duration) async throws {
        try await withLiveClient { client, name in
            await #expect(throws: EtcdError.self) { _ = try await Session(client, timeToLive: timeToLive) }
            await #expect(throws: EtcdError.self) {
                try await DistributedLock("\(name)", on: .client(client, timeToLive: timeToLive)).acquire(
                    timeout: .seconds(1)
                )
            }
            await #expect(throws: EtcdError.self) {
                try await LeaderElection("\(name)", candidate: "a", on: .client(client, timeToLive: timeToLive))
                    .campaign(timeout: .seconds(1))
            }
            await #expect(throws: EtcdError.self) {
                try await MemberGroup("\(name)", on: .client(client, timeToLive: timeToLive)).join(
                    as: "a",
                    timeout: .seconds(1)
                )
            }
        }
    }

    @Test("work or are refused as drain times, and work as pauses", arguments: extremes)
    func elections(_ duration: Duration) async throws {
        try await withLiveClient { client, name in
            var election = try LeaderElection("\(name)", candidate: "a", on: .client(client))
            election.drainTime = duration
            if duration > .seconds(1) || duration < .zero {
                await expectError(.invalidArgument) { _ = try await election.campaign() }
            } else {
                await (try await election.campaign()).resign()
            }
            let coordinator = HighAvailabilityCoordinator(on: election) { _ in
            } secondary: { _ in
            }
            let member = Task { try await coordinator.run() }
            election.drainTime = .zero
            election.backoff = Backoff(initial: duration, maximum: duration, multiplier: 2)
            let terms = Lock(0)
            let task = Task { [election] in try await election.run { _ in terms.withLock { $0 += 1 } } }
            try await eventually("it leads") { terms.withLock { $0 } > 0 }
            for task in [task, member] {
                task.cancel()
                _ = await task.result
            }
        }
    }

    /// Each sets all its durations; a call may refuse them, and must not crash or wait for ever.
    enum User: CaseIterable, Sendable {
        case registration, discovery, balancer, configuration, flags, shards, leaderTask

        func use(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
            switch self {
            case .registration: try await register(duration, client, name)
            case .discovery: try await discover(duration, client, name)
            case .balancer: try await balance(duration)
            case .configuration: try await configure(duration, client, name)
            case .flags: try await evaluate(duration, client, name)
            case .shards: try await share(duration, client, name)
            case .leaderTask: try await work(duration, client, name)
            }
        }
    }

    @Test("work as options of patterns", arguments: User.allCases, extremes)
    func options(_ user: User, _ duration: Duration) async throws {
        try await withLiveClient { client, name in
            try await user.use(duration, client, name)
            try await client.delete(.prefix(name))
        }
    }
}

extension DurationTests.User {
    private func register(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        let registry = try ServiceRegistry(client, prefix: "\(name)")
        let instance = ServiceInstance(service: "api", id: "a", address: "127.0.0.1", port: 9)
        await #expect(throws: EtcdError.self) {
            // Without a wait, there is no time for a refusal.
            let registration = try await registry.register(instance, timeToLive: duration, initialWait: .seconds(60))
            await registration.deregister()
        }
        var check = HealthCheck { _ in }
        (check.interval, check.timeout) = (duration, duration)
        let registration = try await registry.register(instance, check: check, initialWait: duration)
        try await registration.update { $0.weight = 2 }
        let leaving = Task { try await registration.drain(propagation: duration, timeout: duration) }
        try await eventually("it drains, or is gone") {
            try await registry.discover("api").instances.allSatisfy { $0.status == .draining }
        }
        leaving.cancel()
        _ = await leaving.result
        await registration.deregister(timeout: duration)
        for check in [HealthCheck.tcp, .http("/")] {
            var check = check
            check.timeout = duration
            // Nobody listens there.
            #expect(await !check.passes(instance))
        }
    }

    private func discover(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        var options = DiscoveryOptions()
        options.initialWait = duration
        options.massLoss?.window = duration
        options.massLoss?.grace = duration
        options.check = HealthCheck { _ in }
        options.check?.interval = duration
        options.check?.timeout = duration
        let registry = try ServiceRegistry(client, prefix: "\(name)")
        try await registry.withDiscovery(of: "api", options: options) { discovery in
            for number in 0..<4 {
                let record = ServiceInstance(service: "api", id: "\(number)", address: "127.0.0.1", port: 9)
                await (try await registry.register(record)).deregister()
                try await client.put("\(name)/api/stray", "")
            }
            try await eventually("it has seen the last") { !discovery.view.problems.isEmpty }
        }
    }

    private func balance(_ duration: Duration) async throws {
        var options = LoadBalancerOptions()
        options.outliers?.interval = duration
        options.outliers?.baseEjection = duration
        options.outliers?.maximumEjection = duration
        options.outliers?.consecutiveFailures = 1
        let balancer = LoadBalancer("api", policy: .peakEWMA(decay: duration), options: options)
        await #expect(throws: (any Error).self) {
            let waiting = Task { try await balancer.waitUntilAvailable(timeout: duration) }
            if duration > .seconds(1) { waiting.cancel() }
            try await waiting.value
        }
        balancer.update(
            ["a", "b", "c"].map { ServiceInstance(service: "api", id: $0, address: "127.0.0.1", port: 9) }
        )
        try await balancer.waitUntilAvailable(timeout: duration)
        for number in 0..<30 {
            try? await balancer.withInstance { _ in if number % 2 == 0 { throw EtcdError(.unavailable, "broken") } }
        }
        #expect(balancer.statistics.instances.reduce(0) { $0 + $1.failures } == 15)
    }

    private func configure(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        let file = "\(FileManager.default.temporaryDirectory.path)/etcd-kit-\(name)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let options = ConfigOptions(file: .init(file, maximumAge: duration), initialWait: duration)
        try await client.withConfiguration("\(name)", options: options) { config in
            let changes = config.changes(interval: duration)
            do {
                try await config.set("length", duration)
            } catch let error as ConfigError {
                #expect(error.code == .wrongType && (duration / .seconds(1)).magnitude > 9e18, "\(error)")
                try await config.set("length", "1s")
            }
            // The next look may be in a thousand years.
            let seen = Lock(0)
            let following = Task { for await _ in changes { seen.withLock { $0 += 1 } } }
            try await eventually("it has seen a change, and waits") { seen.withLock { $0 } > 0 }
            try await config.set("other", "1")
            following.cancel()
            await following.value
        }
    }

    private func evaluate(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        try await client.withFeatureFlags("\(name)", staleAfter: duration, initialWait: duration) { flags in
            try await flags.enable("new")
            try await eventually("it is on") { flags.isEnabled("new") }
            #expect(flags.isStale == (duration <= .nanoseconds(1)))
        }
    }

    private func share(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        await #expect(throws: EtcdError.self) {
            let refused = try ShardCoordinator(
                "\(name)",
                shards: .numbered(1),
                memberID: "x",
                client: client,
                timeToLive: duration
            )
            try await refused.run { _ in }
        }
        let members = try ["a", "b"].map { id in
            try ShardCoordinator(
                "\(name)",
                shards: .numbered(4),
                memberID: id,
                client: client,
                drainTime: duration,
                restartGrace: duration
            )
        }
        let running = members.map { member in
            Task { try await member.run { _ in try await Task.sleep(for: .seconds(1000)) } }
        }
        try await eventually("both have shards") { members.allSatisfy { !$0.owned.isEmpty } }
        running[0].cancel()
        try await running[0].value
        if duration <= .seconds(1) {
            try await eventually("the other has all") { members[1].owned.count == 4 }
        }
        running[1].cancel()
        try await running[1].value
    }

    private func work(_ duration: Duration, _ client: EtcdClient, _ name: Key) async throws {
        let election = try LeaderElection("\(name + "-leader")", candidate: "a", on: .client(client))
        #expect(throws: EtcdError.self) { try LeaderTask("\(name)", on: election, every: duration) { _ in } }
    }
}
