// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Watches of what another process puts, so that its puts are not counted.
enum Watches {
    static func countAllocations(_ client: EtcdClient, endpoint: String) async throws {
        try await measure(
            "event of a watch, one at a time",
            client,
            endpoint,
            watches: 1,
            writers: 1,
            puts: 300,
            pause: 1
        )
        try await measure("event of a watch, 10 watches", client, endpoint, watches: 10, writers: 32, puts: 2000)
    }

    private static func measure(
        _ name: String,
        _ client: EtcdClient,
        _ endpoint: String,
        watches: Int,
        writers: Int,
        puts: Int,
        pause: Int = 0
    ) async throws {
        let events = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            let ready = Counter()
            for _ in 0..<watches {
                group.addTask {
                    try await client.withWatch(.prefix("budgets/")) { changes in
                        ready.add(1)
                        for try await _ in changes { events.add(1) }
                    }
                }
            }
            while ready.value < watches { try await Task.sleep(for: .milliseconds(5)) }
            try await AllocationMeter.measure(name) {
                let goal = events.value + watches * puts
                try await PutProcess.start(endpoint: endpoint, callers: writers, total: puts, pause: pause)
                while events.value < goal { try await Task.sleep(for: .milliseconds(5)) }
                return watches * puts
            }
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
    }
}

/// This program in another process, which only puts.
enum PutProcess {
    static let command = "put"

    /// Makes the puts; each caller pauses after each for so many milliseconds.
    static func start(endpoint: String, callers: Int, total: Int, pause: Int) async throws {
        let outcome = try await ChildProcess.run(
            [CommandLine.arguments[0], command, endpoint, "\(callers)", "\(total)", "\(pause)"],
            environment: ProcessInfo.processInfo.environment,
            input: [],
            timeout: .seconds(30)
        )
        if outcome.status != 0 { throw Failure(description: String(decoding: outcome.errors, as: UTF8.self)) }
    }

    static func run(_ arguments: [String]) async throws {
        let numbers = arguments.dropFirst(2).compactMap { Int($0) }
        guard arguments.count == 5, numbers.count == 3 else {
            throw Failure(description: "put needs an endpoint, the numbers of callers and puts, and a pause")
        }
        try await withEtcdClient(endpoints: arguments[1]) { client in
            try await Calls(client: client, callers: numbers[0], total: numbers[1]).put(
                pause: .milliseconds(numbers[2])
            )
        }
    }
}

/// Why something could not be counted.
struct Failure: Error, CustomStringConvertible {
    let description: String
}
