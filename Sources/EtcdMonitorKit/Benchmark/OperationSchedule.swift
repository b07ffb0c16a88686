// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Synchronization

/// Hands out the operations of a run to its callers, one after the other, each with its intended start.
final class OperationSchedule: Sendable {
    /// One operation.
    struct Turn {
        /// The operations before it.
        let number: Int
        /// When it should begin, in nanoseconds of ``Platform/nanoseconds``.
        let start: UInt64
    }

    private let numbers = NumberSequence()
    private let start: UInt64
    private let limit: Int
    /// How long the run lasts, in nanoseconds.
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
    /// - Returns: Nil when the run is over.
    func take(now: UInt64) -> Turn? {
        // The clock may be read before the run begins on another thread.
        if now > start, now - start >= duration { return nil }
        guard let number = numbers.next(below: limit) else { return nil }
        guard spacing > 0 else { return Turn(number: number, start: now) }
        // The spacing may be infinite, and zero times that is no number.
        let offset = number == 0 ? 0 : Double(number) * spacing
        guard offset < min(Double(duration), 9e18) else { return nil }
        return Turn(number: number, start: start + UInt64(offset))
    }
}

/// Gives each number from zero on to one of many callers.
final class NumberSequence: Sendable {
    private let count = Atomic(0)

    /// The next number; nil from `limit` on.
    func next(below limit: Int) -> Int? {
        let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
        return number < limit ? number : nil
    }
}
