// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

extension LeaderTask {
    /// One run of a task, for its body; as a grant, it is the leadership under which it runs.
    public struct Run: FencedGrant {
        /// The time that the run was scheduled for, by the clocks of all nodes; no two runs have the same slot.
        public let slot: Date
        /// The leadership under which it runs.
        public let term: LeaderTerm

        /// The library's own view of the grant.
        public var basis: GrantBasis { term.basis }
    }

    /// How to treat slots that have passed without a leader, or during a run that took longer than the interval.
    ///
    /// More may be added, so a `switch` over these needs a `default`.
    public enum MissedRuns: Sendable, Hashable {
        /// They are dropped; the next run is at the next slot.
        case skip
        /// One run, for the newest of them, stands for all.
        case once
        /// Each has its run, one after the other, from the oldest to the newest; if there are more than the limit, the
        /// oldest are dropped.
        case all(limit: Int)
    }

    /// An event of a task on this node.
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
        /// This number of slots, up to this one, were dropped.
        case missed(Int, until: Date)
        /// An attempt has failed with this error, and is repeated.
        case hindered(any Error)
        /// The task that ``LeaderTask/start()`` has started has ended with this error.
        case stopped(any Error)
    }

    /// The status of a task, as the store has it.
    public struct Status: Sendable, Hashable, CustomStringConvertible {
        /// The outcome of a slot.
        ///
        /// More may be added, so a `switch` over outcomes needs a `default`.
        public enum Outcome: Sendable, Hashable {
            /// It was claimed, and runs; or its leader has failed since.
            case claimed
            /// The body has returned.
            case completed
            /// The body has thrown this error.
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
        /// The outcome of that slot.
        public let outcome: Outcome
        /// The last slot for which the body has returned; nil if there is none.
        public let lastCompleted: Date?
        /// How many slots were dropped so far.
        public let missedCount: Int

        /// Makes a status with these properties, for tests.
        public init(
            slot: Date,
            leader: Value,
            fencingToken: Revision,
            outcome: Outcome,
            lastCompleted: Date? = nil,
            missedCount: Int = 0
        ) {
            self.slot = slot
            self.leader = leader
            self.fencingToken = fencingToken
            self.outcome = outcome
            self.lastCompleted = lastCompleted
            self.missedCount = missedCount
        }

        init(_ record: TaskRecord) {
            let outcome: Outcome =
                switch record.outcome {
                case nil: .claimed
                case .completed: .completed
                case .failed: .failed(record.error ?? "")
                case .skipped: .skipped
                }
            self.init(
                slot: Date(milliseconds: record.slot),
                leader: Value(record.leader),
                fencingToken: Revision(rawValue: record.term),
                outcome: outcome,
                lastCompleted: record.completed.map { Date(milliseconds: $0) },
                missedCount: Int(clamping: record.missed)
            )
        }

        /// The slot, the outcome and the leader in one line.
        public var description: String { "\(slot): \(outcome), by \"\(leader)\", token \(fencingToken)" }
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
