// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Benchmarks that must not begin, or must end before their time.
@Suite(.cluster, .timeLimit(.minutes(1)))
struct BenchmarkSafetyTests {
    @Test func `A prefix with keys is refused, and left alone`() async throws {
        try await BenchmarkBench.run { bench in
            try await bench.client.put("bench/mine", "1")
            try await bench.client.put("benchmark", "2")
            let error = try await bench.failure(BenchmarkBench.options(.write))
            #expect(error.reason == .prefixNotEmpty && error.result == nil)
            #expect(error.description.contains("a key below bench/"))
            #expect(try await bench.leftovers().keys == 2)
            try await bench.client.delete("bench/mine")
            try await bench.run(BenchmarkBench.options(.write))
            #expect(try await bench.leftovers().keys == 1)
        }
    }

    @Test func `Of two runs on one prefix only one begins`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.lock)
            options.amount = .duration(.milliseconds(500))
            let (signals, signal) = AsyncStream.makeStream(of: Void.self)
            async let first = bench.run(options) { if $0.phase == .preparing { signal.yield() } }
            _ = await signals.first { _ in true }
            #expect(try await bench.failure(options).reason == .prefixNotEmpty)
            #expect(try await first.isComplete)
            let leftovers = try await bench.leftovers()
            #expect(leftovers == (0, 0))
        }
    }

    @Test(arguments: [
        (BenchmarkKind.write, BenchmarkProgress.Phase.checking), (.delete, .preparing), (.write, .running),
        (.watch, .running), (.leases, .running), (.lock, .running),
    ])
    func `A run that is cancelled cleans up first`(kind: BenchmarkKind, phase: BenchmarkProgress.Phase) async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(kind)
            options.amount = kind == .delete ? .operations(100_000) : .duration(.seconds(3600))
            let (signals, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task { [options] in
                try await bench.run(options) { progress in
                    // In the middle of the phase, where it lasts.
                    if progress.phase == phase, progress.operations > 0 || phase == .checking { signal.yield() }
                }
            }
            _ = await signals.first { _ in true }
            task.cancel()
            let error = await #expect(throws: BenchmarkError.self) { try await task.value }
            #expect(error?.reason == .cancelled && error?.cleanupFailure == nil)
            let result = error?.result
            #expect((result != nil) == (phase == .running))
            if let result { #expect(!result.isComplete && result.errors.isEmpty && result.latency.count > 0) }
            let leftovers = try await bench.leftovers()
            #expect(leftovers == (0, 0))
        }
    }

    /// Writes when the cleanup has looked for keys twice: the second look has found none.
    private final class LateWriter: CallInterceptor {
        let isCleaning = Lock(false)
        let looks = Lock(0)
        let write: @Sendable () async -> Void

        init(_ write: @escaping @Sendable () async -> Void) { self.write = write }

        func intercept(
            _ call: EtcdClient.Call,
            metadata: CallMetadata,
            next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
        ) async throws {
            _ = await next(metadata)
            guard call.method == "/etcdserverpb.KV/Range", isCleaning.withLock({ $0 }) else { return }
            let look = looks.withLock { looks in
                looks += 1
                return looks
            }
            if look == 2 { await write() }
        }
    }

    @Test func `A write that is done after a look without keys is deleted, too`() async throws {
        try await BenchmarkBench.run { bench in
            let client = bench.client
            let writer = LateWriter { _ = try? await client.put("bench/late", "1") }
            var interrupted = bench
            interrupted.configuration.interceptors = [writer]
            var options = BenchmarkBench.options(.write)
            options.amount = .duration(.seconds(3600))
            let (signals, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task { [interrupted, options] in
                try await interrupted.run(options) { progress in
                    if progress.phase == .cleaning { writer.isCleaning.withLock { $0 = true } }
                    if progress.phase == .running, progress.operations > 0 { signal.yield() }
                }
            }
            _ = await signals.first { _ in true }
            task.cancel()
            let error = await #expect(throws: BenchmarkError.self) { try await task.value }
            #expect(error?.reason == .cancelled && error?.cleanupFailure == nil)
            let looks = writer.looks.withLock { $0 }
            let leftovers = try await bench.leftovers()
            #expect(looks > 2 && leftovers == (0, 0))
        }
    }

    /// Holds the answers to grants back until the run is cancelled.
    private struct GrantHolder: CallInterceptor {
        let held: @Sendable () -> Void

        func intercept(
            _ call: EtcdClient.Call,
            metadata: CallMetadata,
            next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
        ) async throws {
            _ = await next(metadata)
            guard call.method == "/etcdserverpb.Lease/LeaseGrant" else { return }
            held()
            try await Task.sleep(for: .seconds(3600))
        }
    }

    @Test func `A lease that is granted, while its answer does not come, is revoked, too`() async throws {
        try await BenchmarkBench.run { bench in
            let (signals, signal) = AsyncStream.makeStream(of: Void.self)
            var interrupted = bench
            interrupted.configuration.interceptors = [GrantHolder { signal.yield() }]
            var options = BenchmarkBench.options(.leases)
            options.amount = .duration(.seconds(3600))
            let task = Task { [interrupted, options] in try await interrupted.run(options) { _ in } }
            _ = await signals.first { _ in true }
            let leases = try await bench.leftovers().leases
            task.cancel()
            let error = await #expect(throws: BenchmarkError.self) { try await task.value }
            #expect(error?.reason == .cancelled && error?.cleanupFailure == nil)
            let leftovers = try await bench.leftovers()
            #expect(leases > 0 && leftovers == (0, 0))
        }
    }

    @Test func `Without a cluster, a run fails at once`() async throws {
        let configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        let start = ContinuousClock.now
        let benchmark = try Benchmark(configuration, BenchmarkBench.options(.write))
        let error = await #expect(throws: BenchmarkError.self) { try await benchmark.run() }
        #expect(error?.reason == .unreachable && error?.description.contains("does not answer") == true)
        // Less than a call may take.
        #expect(ContinuousClock.now - start < configuration.callTimeout)
    }

    @Test func `When the cluster dies, errors are counted and the run ends`() async throws {
        try await BenchmarkBench.run { bench in
            var dying = bench
            dying.configuration.callTimeout = .milliseconds(500)
            var options = BenchmarkBench.options(.write)
            options.amount = .duration(.seconds(3600))
            let (signals, signal) = AsyncStream.makeStream(of: Void.self)
            async let run = dying.run(options) { progress in
                if progress.phase == .running, progress.operations > 0 { signal.yield() }
            }
            _ = await signals.first { _ in true }
            await bench.cluster.members[0].kill()
            let result = try await run
            #expect(!result.isComplete && result.operations > 0 && result.errorCount >= 8)
            #expect(result.cleanupFailure?.contains("bench/") == true)
        }
    }

    @Test func `Operations that the server refuses are errors with their code`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.write)
            options.amount = .operations(10)
            options.valueSize = 2_000_000
            let result = try await bench.run(options)
            #expect(result.errors == ["requestTooLarge": 10] && result.operations == 0 && result.errorRatio == 1)
            #expect(result.isComplete && result.intervals.reduce(0) { $0 + $1.errors } == 10)
            options.kind = .read
            let error = try await bench.failure(options)
            #expect(error.reason == .preparationFailed && error.cause?.code == .requestTooLarge)
            #expect(try await bench.leftovers().keys == 0)
        }
    }

    @Test func `A run stops before a database is full`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.write)
            options.quota = 1
            let atOnce = try await bench.failure(options)
            #expect(atOnce.reason == .nearQuota && atOnce.result == nil)
            options.quota = 8 << 20
            options.valueSize = 16_384
            options.amount = .duration(.seconds(3600))
            let error = try await bench.failure(options)
            #expect(error.reason == .nearQuota && error.result?.isComplete == false)
            #expect((error.result?.operations ?? 0) > 100 && error.cleanupFailure == nil)
            #expect(try await bench.leftovers().keys == 0)
        }
    }

    @Test func `A run stops at the alarm NOSPACE, and does not begin while that lasts`() async throws {
        try await BenchmarkBench.run(["--quota-backend-bytes=2097152"]) { bench in
            var options = BenchmarkBench.options(.write)
            options.quota = 0
            options.valueSize = 16_384
            options.amount = .duration(.seconds(3600))
            let error = try await bench.failure(options)
            // A member of 3.6 reports its quota.
            #expect([.noSpace, .nearQuota].contains(error.reason) && error.result?.isComplete == false)
            #expect(error.cleanupFailure == nil)
            #expect(try await bench.leftovers().keys == 0)
            let again = try await bench.failure(options)
            #expect([.noSpace, .nearQuota].contains(again.reason))
        }
    }

    @Test func `A user without the permission gets that as an error`() async throws {
        try await BenchmarkBench.run(["--bcrypt-cost=4"]) { bench in
            let auth = bench.client.auth
            for name in ["root", "bob"] {
                try await auth.users.add(name, password: "secret")
                try await auth.roles.add(name)
                try await auth.users.grant(role: name, to: name)
            }
            try await auth.enable()
            var limited = bench
            limited.configuration.credentials = .user("bob", password: "secret")
            let error = try await limited.failure(BenchmarkBench.options(.write))
            #expect(error.reason == .permissionDenied && error.description.contains("may not write"))
        }
    }
}
