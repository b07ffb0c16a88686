// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Runs a task at its slots, in the terms of a leader.
struct TaskRunner: Sendable {
    let key: Key
    let election: LeaderElection
    let schedule: TaskSchedule
    let missedRuns: LeaderTask.MissedRuns
    let clock: @Sendable () -> Date
    let report: @Sendable (LeaderTask.Event) -> Void
    let body: @Sendable (LeaderTask.Run) async throws -> Void

    private var now: Int64 { clock().milliseconds }

    /// Runs the task while the term lasts.
    func run(in term: LeaderTerm) async throws {
        let backoff = Backoff()
        var failures = 0
        // The claim whose outcome is not known, if any.
        var unanswered: TaskRecord?
        var awaited: Int64?
        while true {
            try Task.checkCancellation()
            do {
                let (known, revision) = try await read(term)
                if let claim = unanswered, known == claim {
                    unanswered = nil
                    try await run(claim, over: revision, term)
                    continue
                }
                guard let record = known else {
                    // The slots before the first leader are nobody's.
                    let first = self.record(schedule.last(at: now), term)
                    _ = try await put(first.skipped, over: revision, term)
                    continue
                }
                guard let plan = schedule.plan(after: record.slot, at: now, awaited: awaited, missedRuns) else {
                    awaited = schedule.next(after: max(record.slot, now))
                    try await sleep(until: awaited ?? 0)
                    continue
                }
                var claim = self.record(plan.slot, term)
                claim.completed = record.completed
                claim.missed = min(record.missed + plan.missed, TaskSchedule.bound)
                unanswered = plan.runs ? claim : nil
                let claimed = try await put(plan.runs ? claim : claim.skipped, over: revision, term)
                failures = 0
                // Should an earlier attempt have put it meanwhile, the next look finds it.
                guard let claimed else { continue }
                unanswered = nil
                if plan.missed > 0 {
                    let last = plan.runs ? plan.slot - schedule.interval : plan.slot
                    report(.missed(Int(clamping: plan.missed), until: Date(milliseconds: last)))
                }
                if plan.runs { try await run(claim, over: claimed, term) }
            } catch let error as EtcdError where error.code == .ambiguous || error.code.isTransient {
                report(.hindered(error))
                failures += 1
                try await Task.sleep(for: backoff.delay(afterFailures: failures))
            }
        }
    }

    /// Waits until the clock says `time`, in short steps, since clocks are set.
    private func sleep(until time: Int64) async throws {
        while case let rest = time - now, rest > 0 {
            try await Task.sleep(for: .milliseconds(min(rest, 1000)))
        }
    }

    // MARK: The record

    private func record(_ slot: Int64, _ term: LeaderTerm) -> TaskRecord {
        TaskRecord(slot: slot, leader: "\(election.candidate)", term: term.fencingToken)
    }

    private func read(_ term: LeaderTerm) async throws -> (TaskRecord?, Revision) {
        let client = term.hold.queue.client
        let entry = try await client.persist { () throws(EtcdError) in try await client.get(key) }
        return try entry.map { (try TaskRecord($0), $0.modRevision) } ?? (nil, 0)
    }

    /// Puts the record, unless it is another than that of `revision`, or the leadership is lost.
    ///
    /// - Returns: The revision of the record; nil if it is another.
    private func put(_ record: TaskRecord, over revision: Revision, _ term: LeaderTerm) async throws -> Revision? {
        let isSame = Compare.Target.modRevision(key) == revision
        let response = try await term.guarded(if: [isSame], then: [.put(key, try record.value)])
        return response.succeeded ? response.header.revision : nil
    }

    // MARK: One run

    private func run(_ claim: TaskRecord, over revision: Revision, _ term: LeaderTerm) async throws {
        let slot = Date(milliseconds: claim.slot)
        // The process may have been stopped since the claim.
        try term.check()
        report(.started(slot))
        var record = claim
        do {
            try await body(LeaderTask.Run(slot: slot, term: term))
            record.outcome = .completed
            record.completed = claim.slot
        } catch {
            record.outcome = .failed
            record.error = "\(error)"
            if term.isLeader { report(.failed(slot, error)) }
        }
        if let loss = term.hold.tenure.loss {
            report(.interrupted(slot, loss.overrunUntilNow))
            throw loss
        }
        if record.outcome == .completed { report(.completed(slot)) }
        // Also when this node is told to stop: what was done was done. It is bounded by the time for a call.
        let failure = await shielded { [record] () -> (any Error)? in
            do {
                _ = try await put(record, over: revision, term)
                return nil
            } catch {
                return error
            }
        }
        if let failure { report(.hindered(failure)) }
    }
}

extension TaskRecord {
    fileprivate var skipped: TaskRecord {
        var record = self
        record.outcome = .skipped
        return record
    }
}
