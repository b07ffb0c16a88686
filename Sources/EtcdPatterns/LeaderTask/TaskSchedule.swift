// SPDX-License-Identifier: Apache-2.0

/// The slots of a task, in milliseconds of Unix time: the anchor, and all that is a multiple of the interval away from it.
struct TaskSchedule: Sendable {
    /// At least 1.
    let interval: Int64
    let anchor: Int64

    /// No time is farther away from 1970, by about 280,000 years, so that there is no overflow.
    static let bound: Int64 = 1 << 53

    /// The last slot that is not after `time`.
    func last(at time: Int64) -> Int64 {
        let (time, anchor) = (time.bounded, anchor.bounded)
        let passed = (time - anchor) % interval
        return time - (passed < 0 ? passed + interval : passed)
    }

    /// The first slot after `time`.
    func next(after time: Int64) -> Int64 { last(at: time) + interval }

    /// The next claim.
    struct Plan: Equatable {
        /// The slot to claim.
        let slot: Int64
        /// The task runs for the slot.
        let runs: Bool
        /// How many slots before it, or up to it if the task does not run, are given up.
        let missed: Int64
    }

    /// The claim that is due at `now` after the slot `claimed`; nil if there is none.
    ///
    /// The slot `awaited` is not late, since this side has waited for it.
    func plan(after claimed: Int64, at now: Int64, awaited: Int64?, _ policy: LeaderTask.MissedRuns) -> Plan? {
        let newest = last(at: now)
        let oldest = next(after: claimed)
        guard newest >= oldest else { return nil }
        let count = (newest - oldest) / interval + 1
        switch policy {
        case .skip where awaited != newest: return Plan(slot: newest, runs: false, missed: count)
        case .skip, .once: return Plan(slot: newest, runs: true, missed: count - 1)
        case .all(let limit):
            let kept = min(count, Int64(max(1, limit)))
            return Plan(slot: newest - (kept - 1) * interval, runs: true, missed: count - kept)
        }
    }
}

extension Int64 {
    fileprivate var bounded: Int64 { Swift.min(Swift.max(self, -TaskSchedule.bound), TaskSchedule.bound) }
}
