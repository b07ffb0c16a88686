// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The value of the key of a task, as JSON.
struct TaskRecord: Codable, Sendable, Equatable {
    /// The last slot that was claimed, in milliseconds of Unix time.
    var slot: Int64
    /// The candidate that has claimed it, and its term.
    var leader: String
    var term: Int64
    /// Distinguishes the claims of two runs in one term; nil in the records of early versions.
    var nonce: String?
    /// The outcome; nil while it is not known.
    var outcome: Outcome?
    /// The error of the body, if it has thrown one.
    var error: String?
    /// The last slot for which the body has returned.
    var completed: Int64?
    /// How many slots were dropped.
    var missed: Int64 = 0

    enum Outcome: String, Codable {
        case completed, failed, skipped
    }
}

extension TaskRecord {
    /// Decodes an entry.
    ///
    /// - Throws: ``EtcdError`` with the code `invalidArgument` if the value is something else.
    init(_ entry: KeyValue) throws(EtcdError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(entry.value.bytes))
        } catch {
            throw Self.error(entry, error)
        }
        let times = [slot, completed ?? 0, missed]
        if times.contains(where: { $0.magnitude > TaskSchedule.bound }) { throw Self.error(entry, nil) }
    }

    private static func error(_ entry: KeyValue, _ cause: (any Error)?) -> EtcdError {
        let message = "\(entry.key) is no record of a leader task: \"\(entry.value)\""
        return EtcdError(.invalidArgument, message, cause: cause)
    }

    var value: Value {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            return Value(bytes: Array(try encoder.encode(self)))
        }
    }
}

/// The claims of one run of a task whose outcome is not known: each may be in the store, or may still come there.
struct OpenClaims: Sendable {
    /// A record that this run has put, or tried to put, in place of another one.
    struct Claim: Sendable, Equatable {
        let record: TaskRecord
        let plan: TaskSchedule.Plan
        /// The revision of the record that it takes the place of; 0 for none.
        let base: Revision
    }

    private var claims: [Claim] = []

    var isEmpty: Bool { claims.isEmpty }

    mutating func insert(_ claim: Claim) {
        if !claims.contains(claim) { claims.append(claim) }
    }

    /// Finds the outcome of the claims, given the record that is in the store at `revision`.
    ///
    /// A claim holds only over the record that it was made for. Once there is another one, either that is the claim, or the
    /// claim will never take effect.
    ///
    /// - Returns: The claim that `record` is; nil if it is none of these.
    mutating func resolve(by record: TaskRecord?, at revision: Revision) -> Claim? {
        let known = claims.first { $0.record == record }
        claims.removeAll { $0.base != revision }
        return known
    }
}

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
        /// How many slots before it, or up to it if the task does not run, are dropped.
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
