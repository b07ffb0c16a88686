// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import Foundation

/// Counts the allocations of the whole process.
enum AllocationMeter {
    private static let rounds = 4

    static var works: Bool { allocation_counter_works() }

    /// Runs `body` several times, and prints the least that it allocates; it returns the number of operations that it has
    /// made.
    ///
    /// If the machine is busy, answers arrive one by one instead of together, and more is allocated.
    static func measure(_ name: String, _ body: () async throws -> Int) async throws {
        // Buffers have grown, and connections are there, after the first time.
        _ = try await body()
        var counts: [Double] = []
        for _ in 0..<rounds {
            let before = allocation_count()
            let operations = try await body()
            counts.append(Double(allocation_count() - before) / Double(operations))
        }
        report(name, counts.min() ?? 0)
    }

    /// Prints what one operation has allocated.
    static func report(_ name: String, _ allocations: Double) {
        print("allocations\t\(String(format: "%.2f", allocations))\t\(name)")
    }

    static var count: UInt64 { allocation_count() }
}

/// Marks what callgrind is to count.
enum InstructionMeter {
    /// Runs `body` once without counting, and once with it; prints how many operations that is.
    static func measure(_ name: String, operations: Int, _ body: () async throws -> Void) async rethrows {
        try await body()
        end_measured_section()
        try await body()
        end_measured_section()
        print("\(operations)\t\(name)")
    }
}
