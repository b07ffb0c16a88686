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

    /// Runs the task in the terms of its own election, and reports them.
    func run() async throws {
        try await election.run { term in
            report(.elected(term))
            // It runs until the term is over, so it ends with an error.
            defer { report(.defeated(term.hold.lifetime.loss ?? CoordinationLoss(.released))) }
            try await run(in: term)
        }
    }

    /// Runs the task while the term lasts.
    func run(in term: LeaderTerm) async throws {
        let backoff = Backoff()
        // Two runners in one term must not mistake each other's claims for their own.
        let nonce = String(UInt64.random(in: .min ... .max), radix: 16)
        var failures = 0
        var open = OpenClaims()
        var awaited: Int64?
        while true {
            try Task.checkCancellation()
            do {
                let (known, revision) = try await read(term)
                if let claim = open.resolve(by: known, at: revision) {
                    try await begin(claim, at: revision, term)
                    continue
                }
                guard let record = known else {
                    // Slots before the first leader have no run.
                    let first = self.record(schedule.last(at: now), nonce, term)
                    _ = try await put(first.skipped, over: revision, term)
                    continue
                }
                guard let plan = schedule.plan(after: record.slot, at: now, awaited: awaited, missedRuns) else {
                    awaited = schedule.next(after: max(record.slot, now))
                    try await sleep(until: awaited ?? 0)
                    continue
                }
                var next = self.record(plan.slot, nonce, term)
                next.completed = record.completed
                next.missed = min(record.missed + plan.missed, TaskSchedule.bound)
                let claim = OpenClaims.Claim(record: plan.runs ? next : next.skipped, plan: plan, base: revision)
                // It stays until its outcome is known.
                open.insert(claim)
                let claimed = try await put(claim.record, over: revision, term)
                failures = 0
                // If an earlier attempt has put it meanwhile, the next read finds it.
                guard let claimed else { continue }
                _ = open.resolve(by: claim.record, at: claimed)
                try await begin(claim, at: claimed, term)
            } catch let error as EtcdError where error.mayPass {
                report(.hindered(error))
                failures += 1
                try await Task.sleep(for: backoff.delay(afterFailures: failures))
            }
        }
    }

    /// Starts the run of a claim whose record is in the store at `revision`.
    private func begin(_ claim: OpenClaims.Claim, at revision: Revision, _ term: LeaderTerm) async throws {
        let plan = claim.plan
        if plan.missed > 0 {
            let last = plan.runs ? plan.slot - schedule.interval : plan.slot
            report(.missed(Int(clamping: plan.missed), until: Date(milliseconds: last)))
        }
        if plan.runs { try await run(claim.record, over: revision, term) }
    }

    /// Waits until the clock shows `time`, in short steps, since clocks are set.
    private func sleep(until time: Int64) async throws {
        while case let rest = time - now, rest > 0 {
            try await Task.sleep(for: .milliseconds(min(rest, 1000)))
        }
    }

    // MARK: The record

    private func record(_ slot: Int64, _ nonce: String, _ term: LeaderTerm) -> TaskRecord {
        TaskRecord(slot: slot, leader: "\(election.candidate)", term: term.fencingToken.rawValue, nonce: nonce)
    }

    private func read(_ term: LeaderTerm) async throws -> (TaskRecord?, Revision) {
        let client = term.hold.session.client
        let entry = try await client.retryingWhileUnavailable { () throws(EtcdError) in try await client.get(key) }
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
            if term.isHeld { report(.failed(slot, error)) }
        }
        if let loss = term.hold.lifetime.loss {
            report(.interrupted(slot, loss.overrunUntilNow))
            throw loss
        }
        if record.outcome == .completed { report(.completed(slot)) }
        // Also when this node stops, since the run is done. It is bounded by the time for a call.
        await withoutCancellation { [record] in
            do { _ = try await put(record, over: revision, term) } catch { report(.hindered(error)) }
        }
    }
}

extension TaskRecord {
    fileprivate var skipped: TaskRecord {
        var record = self
        record.outcome = .skipped
        return record
    }
}
