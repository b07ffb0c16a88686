// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertCenter", .unit, .timeLimit(.minutes(1))) struct AlertCenterTests {
    @Test func `An alert is sent when it fires and when it ends, and is in the history then`() async throws {
        let (cluster, ops, log) = (StagedCluster(), StagedChannel(), EventLog())
        let center = try AlertCenter.staged([cluster], ["ops": ops]) { $0.onEvent = log.append }
        try await center.running {
            cluster.set([1])
            try await eventually("the alert is sent") { ops.receiver.log == ["fired EtcdMemberDown1"] }
            try await eventually("the report has the alert") { center.channelReports.first?.openAlerts == 1 }
            #expect(center.alerts.map(\.state) == [.firing])
            cluster.set([])
            try await eventually("the end is sent") { ops.receiver.log.last == "resolved EtcdMemberDown1" }
            try await eventually("the report says that it is over") { center.channelReports.first?.openAlerts == 0 }
        }
        #expect(center.alerts == [])
        #expect(center.history.map(\.state) == [.resolved])
        #expect(ops.receiver.log.count == 2)
        #expect(ops.receiver.problems == [])
        let report = try #require(center.channelReports.first)
        #expect(report.name == "ops" && report.kind == "staged")
        #expect(report.delivered == 2 && report.failed == 0 && report.lastError == nil && report.lastSuccess != nil)
        var (changed, delivered) = (0, 0)
        for event in log.all {
            switch event {
            case .changed: changed += 1
            case .delivered(_, _, let answer):
                delivered += 1
                #expect(answer == "taken  by the test" || answer == "taken by the test")
            default: Issue.record("\(event)")
            }
        }
        #expect(changed == 2 && delivered == 2)
    }

    @Test func `A new snapshot is evaluated at once, whatever the interval is`() async throws {
        let (cluster, ops) = (StagedCluster(), StagedChannel())
        let center = try AlertCenter.staged([cluster], ["ops": ops]) { $0.interval = .seconds(3600) }
        try await center.running {
            for member in UInt64(1)...3 {
                cluster.set([member])
                try await eventually("the alert is sent") { ops.receiver.open.count == 1 }
                cluster.set([])
                try await eventually("the end is sent") { ops.receiver.open.isEmpty }
            }
        }
        #expect(ops.receiver.log.count == 6)
    }

    @Test func `A channel that fails is tried again, with the same identity, and others are on time`() async throws {
        let cluster = StagedCluster()
        let (bad, good, log) = (StagedChannel(.fails(AlertChannelError("no\n\u{7}"))), StagedChannel(), EventLog())
        let center = try AlertCenter.staged([cluster], ["bad": bad, "good": good]) { $0.onEvent = log.append }
        try await center.running {
            cluster.set([1])
            try await eventually("the other channel gets it") { good.receiver.open.count == 1 }
            try await eventually("it is tried again") { bad.attempts.count >= 4 }
            let report = try #require(center.channelReports.first)
            #expect(report.failuresInARow >= 3 && report.failed >= 3)
            #expect(report.lastError == "no")
            #expect(report.waitingAlerts == 1 && report.openAlerts == 0)
            cluster.set([2])
            try await eventually("the other channel gets all") { good.receiver.log.count == 3 }
            bad.become(.takes)
            try await eventually("the alert is sent") { bad.receiver.log == ["fired EtcdMemberDown2"] }
            try await eventually("the channel works again") { center.channelReports.first?.failuresInARow == 0 }
            #expect(center.channelReports.first?.lastError == nil)
        }
        let attempts = log.all.compactMap { event -> AlertNotification? in
            if case .failed(_, let notification, _) = event { notification } else { nil }
        }
        #expect(Set(attempts.map(\.id)).count == Set(attempts.map(\.items.first?.alert.id)).count)
        #expect(good.receiver.problems == [] && bad.receiver.problems == [])
    }

    @Test func `A channel that hangs is given up and tried again, and others are on time`() async throws {
        let cluster = StagedCluster()
        let (stuck, slow, good) = (
            StagedChannel(.hangs), StagedChannel(.takesLong(.milliseconds(500))), StagedChannel()
        )
        let channels = ["stuck": stuck, "slow": slow, "good": good]
        let center = try AlertCenter.staged([cluster], channels, sendLimit: .seconds(1))
        try await center.running {
            for member in UInt64(1)...4 {
                cluster.set([member])
                try await eventually("the good channel gets it") { good.receiver.log.count == Int(member) * 2 - 1 }
            }
            // The slow channel had time for one or two messages.
            #expect(slow.receiver.log.count < 7)
            try await eventually("the slow one is up to date") { slow.receiver.open.keys == good.receiver.open.keys }
            try await eventually("the stuck one is given up") {
                center.channelReports.last?.lastError == "no answer within 1.0 seconds"
            }
            stuck.become(.takes)
            try await eventually("the stuck one is up to date") { stuck.receiver.open.keys == good.receiver.open.keys }
        }
        // Its first message may have arrived.
        #expect(stuck.receiver.log == ["fired EtcdMemberDown4", "resolved EtcdMemberDown1"])
        #expect([slow, good].allSatisfy { $0.receiver.problems == [] })
    }

    @Test func `The center ends with its task, also if a channel hangs`() async throws {
        let (cluster, stuck) = (StagedCluster(), StagedChannel(.hangs))
        let center = try AlertCenter.staged([cluster], ["stuck": stuck])
        try await center.running {
            cluster.set([1])
            try await eventually("it is tried") { stuck.attempts.count == 1 }
        }
        // An attempt that was interrupted does not count as a failure of the channel.
        #expect(center.channelReports.first?.failed == 0)
        #expect(center.channelReports.first?.waitingAlerts == 1)
    }

    @Test func `A center runs once at a time`() async throws {
        let cluster = StagedCluster()
        let center = try AlertCenter.staged([cluster], [:])
        try await center.running {
            cluster.set([1])
            try await eventually("it runs") { !center.alerts.isEmpty }
            let error = await #expect(throws: EtcdError.self) { try await center.run() }
            #expect(error?.message == "the alert center is already running")
            cluster.set([])
            try await eventually("it still runs") { center.alerts.isEmpty }
        }
        try await center.running {
            cluster.set([1])
            try await eventually("it runs again") { !center.alerts.isEmpty }
        }
    }

    @Test func `The wait grows with each failure, and follows the receiver's own time, within bounds`() {
        let retry = Duration.seconds(1)...(.seconds(300))
        let worker = ChannelWorker(name: "a", channel: StagedChannel(), retry: retry, limit: .seconds(1))
        let error = AlertChannelError("")
        for (failures, wait) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1000, 300), (Int.max, 300)] {
            for _ in 0..<20 {
                let delay = worker.delay(after: error, failures)
                #expect(delay <= .seconds(wait) && delay >= .seconds(wait) * 0.74, "\(failures): \(delay)")
            }
        }
        let refusal = AlertChannelError("", isPermanent: true)
        for (failures, wait) in [(1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (Int.max, 300)] {
            let delay = worker.delay(after: refusal, failures)
            #expect(delay <= .seconds(wait) && delay >= .seconds(wait) * 0.74, "\(failures): \(delay)")
        }
        #expect(worker.delay(after: AlertChannelError("", retryAfter: .seconds(77)), 1) == .seconds(77))
        #expect(worker.delay(after: AlertChannelError("", retryAfter: .seconds(Int64.max)), 1) == .seconds(3600))
        #expect(worker.delay(after: AlertChannelError("", retryAfter: .seconds(-5)), 1) <= .seconds(1))
    }

    @Test func `A trial is sent without a running center, and returns the receiver's answer`() async throws {
        let (ops, bad) = (StagedChannel(), StagedChannel(.fails(AlertChannelError("go away", retryAfter: .seconds(5)))))
        let center = try AlertCenter.staged([StagedCluster("prod")], ["ops": ops, "bad": bad])
        #expect(try await center.test("ops").hasPrefix("taken"))
        let message = try #require(ops.receiver.messages.first)
        #expect(message.isTest && message.cluster == "prod" && message.channel == "ops" && message.openCount == 0)
        #expect(message.items.map(\.reason) == [.test])
        let error = await #expect(throws: AlertChannelError.self) { try await center.test("bad") }
        #expect(error == AlertChannelError("go away", retryAfter: .seconds(5)))
        await #expect(throws: AlertChannelError("there is no channel x", isPermanent: true)) {
            try await center.test("x")
        }
        #expect(center.channelReports.allSatisfy { $0.delivered == 0 && $0.failed == 0 })
    }

    // MARK: Over restarts

    @Test func `A new center on the same file sends nothing twice, and forgets no end`() async throws {
        try await withStateFile { path in
            let (cluster, ops) = (StagedCluster(), StagedChannel())
            func center() throws -> AlertCenter {
                try AlertCenter.staged([cluster], ["ops": ops]) { $0.stateFile = path }
            }
            try await center().running {
                cluster.set([1])
                try await eventually("the alert is sent") { ops.receiver.open.count == 1 }
            }
            let second = try center()
            try await second.running {
                try await eventually("the alert is there again") { second.alerts.count == 1 }
                cluster.set([1, 2])
                try await eventually("the second alert is sent") { ops.receiver.open.count == 2 }
            }
            ops.become(.fails(AlertChannelError("no")))
            let third = try center()
            try await third.running {
                cluster.set([2])
                try await eventually("the first alert is over") { third.history.count == 1 }
            }
            ops.become(.takes)
            cluster.set([])
            try await center().running {
                try await eventually("both ends are sent") { ops.receiver.open.isEmpty }
            }
            let log = ops.receiver.log
            #expect(log.prefix(2) == ["fired EtcdMemberDown1", "fired EtcdMemberDown2"])
            #expect(log.dropFirst(2).sorted() == ["resolved EtcdMemberDown1", "resolved EtcdMemberDown2"])
            #expect(ops.receiver.problems == [] && ops.receiver.duplicates == 0)
        }
    }

    @Test func `Silences and audit records are written at once, also those from before the run`() async throws {
        try await withStateFile { path in
            let (cluster, ops, log) = (StagedCluster(), StagedChannel(), EventLog())
            func center() throws -> AlertCenter {
                try AlertCenter.staged([cluster], ["ops": ops]) {
                    $0.stateFile = path
                    $0.onEvent = log.append
                }
            }
            func silence(_ member: String) -> Silence {
                Silence([AlertMatcher("member", member)], endsAt: Date() + 600, createdBy: "eve", comment: "work")
            }
            let (early, late) = (silence("1"), silence("2"))
            let first = try center()
            try await first.add(early, by: "eve")
            try await first.running {
                cluster.set([1, 2, 3])
                try await eventually("one alert is sent") { ops.receiver.open.count >= 1 }
                try await first.add(late, by: "eve")
                let saved = try AlertStateFile.state(of: Data(contentsOf: URL(fileURLWithPath: path)))
                #expect(
                    saved.silences == [early, late].map(\.self) || saved.silences.map(\.id) == [early.id, late.id]
                )
                #expect(saved.auditRecords.count == 2)
            }
            let second = try center()
            try await second.add(silence("9"), by: "bob")
            try await second.running {
                try await eventually("the silences are there again") { second.silences.count == 3 }
                let alert = try #require(second.alerts.first { $0.labels["member"] == "1" })
                #expect(second.reasonForSilence(of: alert) == "silence \(early.id)")
                try await second.endSilence(early.id, by: "bob")
                try await eventually("the alert is sent") {
                    ops.receiver.open.values.contains { $0.name == "EtcdMemberDown" }
                        && ops.receiver.log.contains("fired EtcdMemberDown1")
                }
            }
            #expect(second.auditRecords.map(\.action) == ["silence.end", "silence.add", "silence.add", "silence.add"])
            #expect(second.auditRecords.map(\.actor) == ["bob", "bob", "eve", "eve"])
            #expect(second.silences.map(\.matchers.first?.value) == ["9", "2", "1"])
            let audited = log.all.count { if case .audited = $0 { true } else { false } }
            #expect(audited == 4)
        }
    }

    @Test func `A damaged file, and one in use, end the run with an error, and nothing is sent`() async throws {
        try await withStateFile { path in
            let (cluster, ops) = (StagedCluster(), StagedChannel())
            func center() throws -> AlertCenter {
                try AlertCenter.staged([cluster], ["ops": ops]) { $0.stateFile = path }
            }
            cluster.set([1])
            try Data("{".utf8).write(to: URL(fileURLWithPath: path))
            let damaged = await #expect(throws: EtcdError.self) { try await center().run() }
            #expect(damaged?.message.contains(path) == true)
            #expect(ops.attempts.isEmpty)
            try FileManager.default.removeItem(atPath: path)
            try await center().running {
                try await eventually("the file is written") { FileManager.default.fileExists(atPath: path) }
                let used = await #expect(throws: EtcdError.self) { try await center().run() }
                #expect(used?.message == "the state file \(path) cannot be used: another monitor uses it")
            }
        }
    }

    @Test func `An attempt is in the file before it is made, and the alert's end is sent after a kill`() async throws {
        try await withStateFile { path in
            let (cluster, ops) = (StagedCluster(), StagedChannel())
            func center() throws -> AlertCenter {
                try AlertCenter.staged([cluster], ["ops": ops]) {
                    $0.stateFile = path
                    $0.interval = .seconds(3600)
                }
            }
            // The file as it is in the middle of the attempt.
            ops.become(.does { try? FileManager.default.copyItem(atPath: path, toPath: "\(path).killed") })
            try await center().running {
                cluster.set([1])
                try await eventually("the alert is sent") { ops.receiver.open.count == 1 }
            }
            ops.become(.takes)
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.moveItem(atPath: "\(path).killed", toPath: path)
            cluster.set([])
            try await center().running {
                try await eventually("the end is sent") { ops.receiver.open.isEmpty }
            }
        }
    }

    @Test func `A full disk is reported once, and does not stop the center`() async throws {
        try await withStateFile { path in
            let (cluster, ops, log) = (StagedCluster(), StagedChannel(), EventLog())
            let center = try AlertCenter.staged([cluster], ["ops": ops]) {
                $0.stateFile = path
                $0.onEvent = log.append
            }
            let blocked = "\(path).new"
            try FileManager.default.createDirectory(atPath: blocked, withIntermediateDirectories: true)
            func complaints() -> Int { log.all.count { if case .stateNotSaved = $0 { true } else { false } } }
            try await center.running {
                cluster.set([1])
                try await eventually("the alert is sent") { ops.receiver.open.count == 1 }
                try await eventually("the problem is reported") { complaints() == 1 }
                cluster.set([])
                try await eventually("the end is sent") { ops.receiver.open.isEmpty }
                try FileManager.default.removeItem(atPath: blocked)
                try await eventually("the state is written") { FileManager.default.fileExists(atPath: path) }
            }
            #expect(complaints() == 1)
        }
    }
}
