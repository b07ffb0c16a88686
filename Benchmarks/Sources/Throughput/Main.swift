// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Synchronization

/// Measures one kind of call: operations a second, and the processor time of this process per operation.
///
/// Prints one line of JSON. Only figures of one machine, taken in turns with those of another client, mean something.
@main
struct Throughput {
    static func main() async {
        do {
            if CommandLine.arguments.contains("--help") { return print(Usage.text) }
            try await run(Options(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("throughput: \(error)\n".utf8))
            exit(error is Usage ? 2 : 1)
        }
    }

    private static func run(_ options: Options) async throws {
        try await withEtcdClient(endpoints: options.endpoints) { client in
            let value = Value(bytes: Array(repeating: UInt8(ascii: "x"), count: options.valueSize))
            for number in 0..<options.keyCount { try await client.put(key(number), value) }
            let result: (seconds: Double, processor: Double)
            if options.onLoop {
                result = try await withTaskExecutorPreference(EtcdClient.executor) {
                    try await measure(options, client, value)
                }
            } else {
                result = try await measure(options, client, value)
            }
            let perSecond = Double(options.total) / result.seconds
            let perOperation = result.processor / Double(options.total) * 1e6
            print(
                #"{"op": "\#(options.operation)", "clients": \#(options.clients), "on_loop": \#(options.onLoop), "#
                    + #""ops_per_s": \#(Int(perSecond)), "cpu_us_per_op": \#(String(format: "%.1f", perOperation))}"#
            )
        }
    }

    private static func key(_ number: Int) -> Key { Key("bench/\(number)") }

    private static func measure(
        _ options: Options,
        _ client: EtcdClient,
        _ value: Value
    ) async throws -> (seconds: Double, processor: Double) {
        let next = Counter()
        let processorBefore = processorTime()
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<options.clients {
                group.addTask {
                    while let number = next.take(below: options.total) {
                        let key = key(number % options.keyCount)
                        switch options.operation {
                        case .put: try await client.put(key, value)
                        case .get: _ = try await client.get(key)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let elapsed = ContinuousClock.now - start
        return (elapsed / .seconds(1), processorTime() - processorBefore)
    }

    private static func processorTime() -> Double {
        var usage = rusage()
        #if canImport(Darwin)
            getrusage(RUSAGE_SELF, &usage)
        #else
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #endif
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}

private final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    func take(below limit: Int) -> Int? {
        let number = next.add(1, ordering: .relaxed).oldValue
        return number < limit ? number : nil
    }
}

private struct Options {
    enum Operation: String {
        case put
        case get
    }

    var endpoints = "127.0.0.1:2379"
    var operation = Operation.put
    var clients = 64
    var total = 20_000
    var valueSize = 256
    var keyCount = 1000
    var onLoop = false

    init(_ arguments: some Sequence<String>) throws {
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            switch (parts.first, parts.count == 2 ? parts[1] : "") {
            case ("--endpoints", let text): endpoints = text
            case ("--op", let text):
                guard let operation = Operation(rawValue: text) else { throw Usage(argument) }
                self.operation = operation
            case ("--clients", let text): clients = try Self.positive(text, argument)
            case ("--total", let text): total = try Self.positive(text, argument)
            case ("--value-size", let text): valueSize = try Self.positive(text, argument)
            case ("--keys", let text): keyCount = try Self.positive(text, argument)
            case ("--on-loop", ""): onLoop = true
            default: throw Usage(argument)
            }
        }
    }

    private static func positive(_ text: String, _ argument: String) throws -> Int {
        guard let number = Int(text), number > 0 else { throw Usage(argument) }
        return number
    }
}

private struct Usage: Error, CustomStringConvertible {
    static let text = """
        Measures one kind of call on a running etcd, into which it writes keys under bench/.

        USAGE: throughput [--endpoints=LIST] [--op=put|get] [--clients=N] [--total=N] [--value-size=BYTES] [--keys=N]
                          [--on-loop]
        """

    let description: String

    init(_ argument: String) { description = "cannot use \"\(argument)\"; see --help" }
}
