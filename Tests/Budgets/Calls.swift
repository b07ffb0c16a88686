// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Synchronization

/// Calls by a number of callers, each of which makes the next one when the last is answered.
struct Calls: Sendable {
    static let value = Value(bytes: Array(repeating: UInt8(ascii: "x"), count: 256))

    private let client: EtcdClient
    private let callers: Int
    private let isOnLoop: Bool
    private let total: Int
    private let keys = (0..<256).map { Key("budgets/\($0)") }

    static func countAllocations(_ client: EtcdClient) async throws {
        for callers in [1, 64] {
            for isOnLoop in [false, true] {
                let calls = Calls(
                    client: client,
                    callers: callers,
                    isOnLoop: isOnLoop,
                    total: callers == 1 ? 400 : 2500
                )
                let place = (callers == 1 ? "1 caller" : "\(callers) callers") + (isOnLoop ? ", on the loop" : "")
                try await AllocationMeter.measure("put, \(place)") { try await calls.put() }
                try await AllocationMeter.measure("get, \(place)") { try await calls.get() }
                try await AllocationMeter.measure("transaction, \(place)") { try await calls.transact() }
            }
        }
    }

    static func countInstructions(_ client: EtcdClient) async throws {
        for (callers, place) in [(1, "1 caller"), (64, "64 callers")] {
            let calls = Calls(client: client, callers: callers, isOnLoop: true, total: 500)
            try await InstructionMeter.measure("put, \(place), on the loop", operations: 500) {
                _ = try await calls.put()
            }
        }
    }

    /// Calls of a client for a test of something else.
    init(client: EtcdClient, callers: Int, isOnLoop: Bool = false, total: Int) {
        self.client = client
        self.callers = callers
        self.isOnLoop = isOnLoop
        self.total = total
    }

    @discardableResult
    func put(pause: Duration = .zero) async throws -> Int {
        try await run { client, key in
            try await client.put(key, Self.value)
            if pause > .zero { try await Task.sleep(for: pause) }
        }
    }

    private func get() async throws -> Int {
        try await run { client, key in _ = try await client.get(key) }
    }

    private func transact() async throws -> Int {
        try await run { client, key in
            try await client.transaction(if: [.exists(key)], then: [.put(key, Self.value)], else: [.get(key)])
        }
    }

    private func run(_ call: @escaping @Sendable (EtcdClient, Key) async throws -> Void) async throws -> Int {
        if isOnLoop {
            try await withTaskExecutorPreference(EtcdClient.executor) { try await runAll(call) }
        } else {
            try await runAll(call)
        }
        return total
    }

    private func runAll(_ call: @escaping @Sendable (EtcdClient, Key) async throws -> Void) async throws {
        let next = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<callers {
                group.addTask {
                    while let number = next.take(below: total) { try await call(client, keys[number % keys.count]) }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// A number that several tasks count up.
final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    var value: Int { next.load(ordering: .relaxed) }

    func add(_ number: Int) { next.add(number, ordering: .relaxed) }

    func take(below limit: Int) -> Int? {
        let number = next.add(1, ordering: .relaxed).oldValue
        return number < limit ? number : nil
    }
}
