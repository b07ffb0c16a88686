// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

extension LeaderTask {
    /// One run of a task, as its body gets it.
    public struct Run: Sendable {
        /// The time that the run was scheduled for, by the clocks of all nodes; this is what no two runs share.
        public let slot: Date
        /// The leadership under which it runs.
        public let term: LeaderTerm

        /// Runs a transaction that has no effect unless this node still leads: whatever the clocks and the network do.
        ///
        /// - Parameters:
        ///   - conditions: What else must hold for `then` to run.
        ///   - then: Runs if all conditions hold.
        ///   - else: Runs if one does not, while this node leads.
        /// - Returns: Which branch has run, and its results.
        /// - Throws: ``CoordinationLoss`` when this node does not lead any more, after which nothing was done;
        ///   ``EtcdError``, as a transaction does, and with the code `ambiguous` when the outcome is unknown.
        @discardableResult
        public func guarded(
            if conditions: [Compare] = [],
            then: [TransactionOperation],
            else: [TransactionOperation] = []
        ) async throws -> TransactionResponse {
            try await term.guarded(if: conditions, then: then, else: `else`)
        }
    }

    /// What becomes of slots that have passed while no leader was there to run them, or a run took longer than the
    /// interval.
    public enum MissedRuns: Sendable, Hashable {
        /// They are given up; the next run is at the next slot.
        case skip
        /// One run, for the newest of them, stands for all.
        case once
        /// They are made up for, one after the other, from the oldest to the newest; the oldest are given up if there are
        /// more than the limit.
        case all(limit: Int)
    }

    /// What happens in a task on this node.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// This node leads, in a term of ``LeaderTask/run()`` or ``LeaderTask/start()``.
        case elected(LeaderTerm)
        /// The term has ended, for this reason: `released` if it was given up. The run, if there was one, has ended before.
        case defeated(CoordinationLoss)
        /// A slot was claimed, and the body starts.
        case started(Date)
        /// The body has returned.
        case completed(Date)
        /// The body has thrown an error; the next slot is another attempt.
        case failed(Date, any Error)
        /// The leadership was lost, and the body has ended since; ``CoordinationLoss/overrun`` says how long that took.
        case interrupted(Date, CoordinationLoss)
        /// So many slots up to this one were given up.
        case missed(Int, until: Date)
        /// Something could not be done, and is tried again.
        case hindered(any Error)
        /// The task that ``LeaderTask/start()`` has started has ended, for this error.
        case stopped(any Error)
    }

    /// How a task stands, as the store has it.
    public struct Status: Sendable, Hashable {
        /// What came of a slot.
        public enum Outcome: Sendable, Hashable {
            /// It was claimed, and runs, or its leader was lost.
            case claimed
            /// The body has returned.
            case completed
            /// The body has thrown this.
            case failed(String)
            /// There was no run for it.
            case skipped
        }

        /// The last slot that was claimed.
        public let slot: Date
        /// The candidate that has claimed it.
        public let leader: Value
        /// The token of the term in which it was claimed.
        public let fencingToken: Revision
        /// What came of it.
        public let outcome: Outcome
        /// The last slot for which the body has returned; nil if there is none.
        public let lastCompleted: Date?
        /// How many slots were given up so far.
        public let missedCount: Int

        init(_ record: TaskRecord) {
            slot = Date(milliseconds: record.slot)
            leader = Value(record.leader)
            fencingToken = Revision(rawValue: record.term)
            outcome =
                switch record.outcome {
                case nil: .claimed
                case .completed: .completed
                case .failed: .failed(record.error ?? "")
                case .skipped: .skipped
                }
            lastCompleted = record.completed.map { Date(milliseconds: $0) }
            missedCount = Int(clamping: record.missed)
        }
    }
}

extension Date {
    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }

    /// Milliseconds of Unix time, to the nearest, since a date is not exact.
    var milliseconds: Int64 {
        let bound = Double(TaskSchedule.bound)
        // In this order of arguments, "not a number" gives the bound.
        return Int64(min(bound, max(-bound, (timeIntervalSince1970 * 1000).rounded())))
    }
}
