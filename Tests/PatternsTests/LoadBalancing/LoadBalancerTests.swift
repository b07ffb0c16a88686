// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LoadBalancer", .unit, .timeLimit(.minutes(2)))
struct LoadBalancerTests {
    private struct Broken: Error {}
    private struct NotFound: Error {}

    private func inFlight(_ balancer: LoadBalancer) -> Int {
        balancer.statistics.instances.reduce(0) { $0 + $1.inFlight }
    }

    // MARK: The instances

    @Test("an instance that drains or is down gets no requests, also when all others fail")
    func statuses() throws {
        let virtual = VirtualBalancer(
            .roundRobin,
            [instance("a"), instance("b", status: .draining), instance("c", status: .down)]
        )
        let counts = try virtual.counts(100) { try virtual.request(succeeds: { _ in false }) }
        #expect(counts == ["a": 100])
    }

    @Test("the error without an available instance says how many drain or are down")
    func empty() async throws {
        let balancer = LoadBalancer("api")
        let error = #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
        #expect(error?.description == "no instance of \"api\" takes requests: there is none")
        balancer.update([instance("a", status: .draining), instance("b", status: .down)])
        let other = await #expect(throws: NoInstanceAvailable.self) { try await balancer.withInstance { _ in } }
        #expect(other?.description == "no instance of \"api\" takes requests: 1 draining, 1 down")
    }

    @Test("a caller can wait for the first instance")
    func waiting() async throws {
        let balancer = LoadBalancer("api")
        await #expect(throws: NoInstanceAvailable.self) {
            try await balancer.waitUntilAvailable(timeout: .milliseconds(20))
        }
        let waiters = (0..<3).map { _ in Task { try await balancer.waitUntilAvailable(timeout: .seconds(60)) } }
        let cancelled = Task { try await balancer.waitUntilAvailable() }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        balancer.update([instance("a", status: .down)])
        balancer.update([instance("a")])
        for waiter in waiters { try await waiter.value }
        try await balancer.waitUntilAvailable()
    }

    @Test("a waiting caller gets the only instance that passes its checks again, although it was ejected")
    func availableInTime() async throws {
        var options = LoadBalancerOptions()
        options.outliers?.panicThreshold = 0
        options.outliers?.maximumEjectedShare = 1
        options.outliers?.consecutiveFailures = 1
        options.outliers?.baseEjection = .milliseconds(300)
        let balancer = LoadBalancer("api", options: options)
        balancer.update(instances(2), unhealthy: ["i0"])
        // The control: one instance always stays, so this one is not ejected.
        for _ in 0..<3 { try balancer.pick().finish(.failure) }
        balancer.update(instances(3), unhealthy: ["i0"])
        try await eventually("it is ejected") {
            (try? balancer.pick())?.finish(.failure)
            return balancer.statistics.instances.contains { $0.health == .ejected }
        }
        let ejected = try #require(balancer.statistics.instances.first { $0.health == .ejected }?.id)
        balancer.update(instances(3), unhealthy: ["i0", "i2", "i1"])
        #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
        let waiter = Task { try await balancer.waitUntilAvailable(timeout: .seconds(60)) }
        balancer.update(instances(3), unhealthy: ejected == "i1" ? ["i0", "i2"] : ["i0", "i1"])
        try await waiter.value
        #expect(try balancer.pick().instance.id == ejected)
    }

    @Test("instances whose IDs look alike, but have other bytes, are two")
    func likeIDs() throws {
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        try #require(composed == decomposed, "the control: they are equal as texts")
        let balancer = LoadBalancer("api")
        balancer.update([instance(composed), instance(decomposed)])
        #expect(balancer.statistics.instances.count == 2)
        let picked = try (0..<2).map { _ in Key(try balancer.pick().instance.id) }
        #expect(Set(picked) == [Key(composed), Key(decomposed)])
        balancer.update([instance(decomposed)])
        #expect(balancer.statistics.instances.filter { !$0.isGone }.map { Key($0.id) } == [Key(decomposed)])
    }

    @Test("a sequence of lists is followed to its end")
    func following() async throws {
        let balancer = LoadBalancer("api")
        let (lists, continuation) = AsyncStream.makeStream(of: [ServiceInstance].self)
        async let following: Void = balancer.follow(lists)
        continuation.yield(instances(2))
        continuation.yield([instance("z")])
        continuation.finish()
        try await following
        #expect(balancer.statistics.instances.map(\.id) == ["z"])
    }

    @Test("many new lists do not change the statistics", arguments: [true, false])
    func refreshStorm(disappears: Bool) throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4)) { $0.outliers?.baseEjection = .seconds(3600) }
        for _ in 0..<300 {
            try virtual.request(taking: { .milliseconds($0.id == "i1" ? 100 : 10) }, succeeds: { $0.id != "i0" })
        }
        let held = try (0..<4).map { _ in try virtual.balancer.pick() }
        func known() -> [String] {
            virtual.balancer.statistics.instances.sorted { $0.id < $1.id }
                .map { "\($0.id) \($0.inFlight) \($0.successes) \($0.failures) \($0.latency ?? .zero) \($0.health)" }
        }
        let before = known()
        for number in 0..<500 {
            var list = instances(4).shuffled()
            for index in list.indices { list[index].metadata = ["version": "\(number)"] }
            virtual.balancer.update(list)
            if disappears { virtual.balancer.update(number.isMultiple(of: 2) ? [] : Array(list.prefix(2))) }
            virtual.clock.advance(by: .milliseconds(1))
        }
        virtual.balancer.update(instances(4))
        #expect(known() == before)
        #expect(virtual.health("i0") == .ejected)
        for picked in held { picked.finish() }
        #expect(inFlight(virtual.balancer) == 0)
    }

    @Test("an instance that moves, or is gone for long, starts with new statistics")
    func newSelf() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(1))
        try virtual.request()
        var moved = instance("i0")
        moved.port = 81
        virtual.balancer.update([moved])
        #expect(virtual.balancer.statistics.instances.map(\.successes) == [0])
        virtual.balancer.update(instances(1))
        #expect(virtual.balancer.statistics.instances.map(\.successes) == [1])
        let picked = try virtual.balancer.pick()
        virtual.balancer.update([])
        #expect(virtual.balancer.statistics.instances.map(\.isGone) == [true])
        virtual.clock.advance(by: .seconds(301))
        virtual.balancer.update([moved])
        picked.finish()
        virtual.balancer.update(instances(1))
        #expect(virtual.balancer.statistics.instances.map(\.successes) == [0])
        #expect(inFlight(virtual.balancer) == 0)
    }

    // MARK: In flight

    @Test("a request that has ended is not in flight, however it ended")
    func noLeak() async throws {
        let balancer = LoadBalancer("api", policy: .leastConnections)
        balancer.update(instances(4))
        let mostInFlight = Lock(0)
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<400 {
                group.addTask {
                    let task = Task {
                        try await balancer.withInstance(retryIf: { _ in true }) { _ in
                            mostInFlight.withLock { $0 = max($0, inFlight(balancer)) }
                            try await Task.sleep(for: .microseconds(Int.random(in: 0...3000)))
                            if number % 3 == 0 { throw Broken() }
                        }
                    }
                    if number % 4 == 0 {
                        try? await Task.sleep(for: .microseconds(Int.random(in: 0...3000)))
                        task.cancel()
                    }
                    _ = await task.result
                    let picked = try? balancer.pick()
                    if number % 5 == 0 { picked?.finish(.failure) }
                    if number % 5 < 2 { picked?.finish() }
                }
            }
        }
        #expect(inFlight(balancer) == 0)
        #expect(mostInFlight.withLock { $0 } > 1, "the control")
    }

    @Test("a cancellation is not a failure, and the caller decides which errors are")
    func outcomes() async throws {
        var options = LoadBalancerOptions()
        options.isFailure = { !($0 is NotFound) }
        let balancer = LoadBalancer("api", options: options)
        balancer.update(instances(1))
        let task = Task { try await balancer.withInstance { _ in try await Task.sleep(for: .seconds(600)) } }
        try await eventually("it is in flight") { inFlight(balancer) == 1 }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await #expect(throws: NotFound.self) { try await balancer.withInstance { _ in throw NotFound() } }
        await #expect(throws: Broken.self) { try await balancer.withInstance { _ in throw Broken() } }
        let picked = try balancer.pick()
        picked.finish(.failure)
        picked.finish(.success)
        let seen = try #require(balancer.statistics.instances.first)
        #expect(seen.successes == 1 && seen.failures == 2 && seen.inFlight == 0)
    }

    @Test("the body runs in the caller's isolation, and may use values that are not Sendable")
    @MainActor
    func isolation() async throws {
        final class Unshared { var count = 0 }
        let balancer = LoadBalancer("api")
        balancer.update(instances(1))
        let unshared = Unshared()
        let result = try await balancer.withInstance { _ in
            unshared.count += 1
            return unshared
        }
        #expect(result.count == 1)
    }

    // MARK: Retries

    @Test("a retry goes to another instance, never to the same one twice")
    func retries() async throws {
        var options = LoadBalancerOptions()
        options.retries.maximumAttempts = 10
        options.outliers = nil
        for policy in [BalancingPolicy.random, .leastConnections, .consistentHash(), .peakEWMA(), .roundRobin] {
            let balancer = LoadBalancer("api", policy: policy, options: options)
            balancer.update(instances(4))
            let tried = Lock<[String]>([])
            await #expect(throws: Broken.self) {
                try await balancer.withInstance(for: "k", retryIf: { $0 is Broken }) { instance in
                    tried.withLock { $0.append(instance.id) }
                    throw Broken()
                }
            }
            #expect(tried.withLock { $0.sorted() } == ["i0", "i1", "i2", "i3"])
            #expect(balancer.statistics.retries == 3)
            let answer = try await balancer.withInstance(for: "k", retryIf: { $0 is Broken }) { instance in
                if instance.id == tried.withLock({ $0[0] }) { throw Broken() }
                return instance.id
            }
            #expect(answer != tried.withLock { $0[0] })
        }
    }

    @Test("only errors that the caller calls retryable are tried again, and not for ever")
    func retryable() async throws {
        let balancer = LoadBalancer("api")
        balancer.update(instances(5))
        func attempts(_ error: any Error, retryIf: (any Error) -> Bool) async -> Int {
            var count = 0
            await #expect(throws: (any Error).self) {
                try await balancer.withInstance(retryIf: retryIf) { _ in
                    count += 1
                    throw error
                }
            }
            return count
        }
        #expect(await attempts(NotFound(), retryIf: { $0 is Broken }) == 1)
        #expect(await attempts(Broken(), retryIf: { $0 is Broken }) == 3)
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await attempts(Broken(), retryIf: { _ in true })
        }
        #expect(await cancelled.value == 1)
    }

    @Test("retries stay within the budget when all requests fail, and successes refill it")
    func budget() async throws {
        var options = LoadBalancerOptions()
        options.retries = RetryBudget(share: 0.2, reserve: 10, maximumAttempts: 3)
        // On a slow machine, ejections would leave too few instances for a retry.
        options.outliers = nil
        let balancer = LoadBalancer("api", options: options)
        balancer.update(instances(4))
        var attempts = 0
        for _ in 0..<1000 {
            _ = try? await balancer.withInstance(retryIf: { _ in true }) { _ in
                attempts += 1
                throw Broken()
            }
        }
        #expect(attempts <= 1000 + 10 + 200)
        #expect(attempts > 1000 + 190)
        let statistics = balancer.statistics
        #expect(statistics.retries == attempts - 1000)
        #expect(statistics.deniedRetries > 700)
        for _ in 0..<100 { try await balancer.withInstance { _ in } }
        let before = balancer.statistics.retries
        for _ in 0..<5 { _ = try? await balancer.withInstance(retryIf: { _ in true }) { _ in throw Broken() } }
        #expect(balancer.statistics.retries == before + 10, "the reserve is full again")
    }

    @Test("without a reserve, or with an invalid budget, there are no retries", arguments: [0, -5])
    func noBudget(reserve: Int) async throws {
        var options = LoadBalancerOptions()
        options.retries = RetryBudget(share: .nan, reserve: reserve, maximumAttempts: .max)
        let balancer = LoadBalancer("api", options: options)
        balancer.update(instances(4))
        var attempts = 0
        _ = try? await balancer.withInstance(retryIf: { _ in true }) { _ in
            attempts += 1
            throw Broken()
        }
        #expect(attempts == 1)
    }
}
