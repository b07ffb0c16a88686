// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Synchronization

/// Assigns the operations of a run to its callers, one after the other, each with its intended start.
final class OperationSchedule: Sendable {
    /// One operation.
    struct Turn {
        /// The number of operations before it.
        let number: Int
        /// Its intended start, in nanoseconds of ``Platform/nanoseconds``.
        let start: UInt64
    }

    private let numbers = NumberSequence()
    private let start: UInt64
    private let limit: Int
    /// The duration of the run, in nanoseconds.
    private let duration: UInt64
    /// The time from one start to the next, in nanoseconds; zero without a rate.
    private let spacing: Double

    init(_ options: BenchmarkOptions, start: UInt64 = Platform.nanoseconds) {
        self.start = start
        switch options.amount {
        case .operations(let count): (limit, duration) = (count, .max)
        case .duration(let time):
            (limit, duration) = (options.kind == .delete ? options.keySpace : .max, time.nanoseconds)
        }
        spacing = options.rate.map { 1e9 / $0 } ?? 0
    }

    /// Takes the next operation for a caller that is free since `now`.
    ///
    /// - Returns: The operation; nil when the run is over.
    func take(now: UInt64) -> Turn? {
        // Another thread may read the clock before the run begins.
        if now > start, now - start >= duration { return nil }
        guard let number = numbers.next(below: limit) else { return nil }
        guard spacing > 0 else { return Turn(number: number, start: now) }
        // The spacing may be infinite, and infinity times zero is not a number.
        let offset = number == 0 ? 0 : Double(number) * spacing
        guard offset < min(Double(duration), 9e18) else { return nil }
        return Turn(number: number, start: start + UInt64(offset))
    }
}

/// Hands out consecutive numbers from zero, each to one caller.
final class NumberSequence: Sendable {
    private let count = Atomic(0)

    /// The next number; nil from `limit` on.
    func next(below limit: Int) -> Int? {
        let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
        return number < limit ? number : nil
    }
}
