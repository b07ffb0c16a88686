// SPDX-License-Identifier: Apache-2.0

import Dispatch
import EtcdKit
import EtcdTesting
import Foundation

/// Counts what the operations of the client take: see `scripts/budgets.sh`, which compares that with the budgets.
///
/// Prints a line for each: a kind of count, the count, and an operation.
@main
struct Budgets {
    static func main() {
        // Not an `async` main: valgrind 3.19 crashes when the main thread leaves itself to Dispatch.
        let isDone = DispatchSemaphore(value: 0)
        Task.detached {
            await run(Array(CommandLine.arguments.dropFirst()))
            isDone.signal()
        }
        isDone.wait()
    }

    private static func run(_ arguments: [String]) async {
        do {
            switch arguments.first {
            case "allocations" where arguments.count == 1: try await countAllocations()
            case "instructions" where arguments.count == 2: try await Callgrind.countInstructions(in: arguments[1])
            case Callgrind.command: try await Callgrind.runSections(arguments)
            case PutProcess.command: try await PutProcess.run(arguments)
            default:
                FileHandle.standardError.write(Data("usage: Budgets allocations | instructions FOLDER\n".utf8))
                exit(2)
            }
        } catch {
            FileHandle.standardError.write(Data("Budgets: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func countAllocations() async throws {
        guard AllocationMeter.works else {
            return FileHandle.standardError.write(Data("Budgets: no allocations are counted on this system\n".utf8))
        }
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                try await Calls.countAllocations(client)
                try await Locks.countAllocations(client)
                try await Watches.countAllocations(client, endpoint: cluster.endpoints[0])
                try await Leases.countAllocations(client, cluster.members[0])
            }
        }
    }
}
