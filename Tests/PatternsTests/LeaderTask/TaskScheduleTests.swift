// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderTask: the schedule", .unit)
struct TaskScheduleTests {
    private let schedule = TaskSchedule(interval: 10, anchor: 3)

    @Test("slots are multiples of the interval away from the anchor, in both directions")
    func slots() {
        #expect([3, 4, 12, 13, 2, -7, -8].map(schedule.last) == [3, 3, 3, 13, -7, -7, -17])
        #expect([3, 12, 13].map(schedule.next) == [13, 13, 23])
    }

    @Test("missed slots are skipped, or made up for by one run or by several")
    func policies() {
        func plan(_ now: Int64, awaited: Int64? = nil, _ policy: LeaderTask.MissedRuns) -> TaskSchedule.Plan? {
            schedule.plan(after: 13, at: now, awaited: awaited, policy)
        }
        for policy: LeaderTask.MissedRuns in [.skip, .once, .all(limit: 2)] {
            #expect(plan(22, policy) == nil && plan(-100, policy) == nil)
            #expect(plan(25, awaited: 23, policy) == .init(slot: 23, runs: true, missed: 0))
        }
        // 23, 33, 43 and 53 have passed.
        #expect(plan(55, .skip) == .init(slot: 53, runs: false, missed: 4))
        #expect(plan(55, awaited: 23, .skip) == .init(slot: 53, runs: false, missed: 4))
        #expect(plan(55, awaited: 53, .skip) == .init(slot: 53, runs: true, missed: 3))
        #expect(plan(55, .once) == .init(slot: 53, runs: true, missed: 3))
        #expect(plan(55, .all(limit: 2)) == .init(slot: 43, runs: true, missed: 2))
        #expect(plan(55, .all(limit: 4)) == .init(slot: 23, runs: true, missed: 0))
        #expect(plan(55, .all(limit: 100)) == .init(slot: 23, runs: true, missed: 0))
        #expect(plan(55, .all(limit: -1)) == .init(slot: 53, runs: true, missed: 3))
    }

    @Test("extreme times and records do not overflow")
    func extremes() throws {
        let times = [Date.distantPast, .distantFuture] + [.infinity, .nan].map { Date(timeIntervalSince1970: $0) }
        for interval in [1, 7, TaskSchedule.bound] {
            for anchor in times {
                let schedule = TaskSchedule(interval: interval, anchor: anchor.milliseconds)
                for now in times {
                    for claimed in [-TaskSchedule.bound, 0, TaskSchedule.bound] {
                        let plan = schedule.plan(after: claimed, at: now.milliseconds, awaited: nil, .all(limit: .max))
                        #expect(plan.map { $0.slot > claimed } ?? true)
                    }
                }
            }
        }
        var entry = KeyValue()
        (entry.key, entry.value) = ("t/task", #"{"slot":9223372036854775807,"leader":"a","term":1,"missed":0}"#)
        let error = #expect(throws: EtcdError.self) { try TaskRecord(entry) }
        #expect(error?.code == .invalidArgument && error?.message.contains("t/task") == true)
        entry.value = "junk"
        #expect(throws: EtcdError.self) { try TaskRecord(entry) }
        // The control: the written value is read.
        let record = TaskRecord(slot: 5, leader: "a", term: 1)
        entry.value = try record.value
        #expect(try TaskRecord(entry) == record)
    }
}
