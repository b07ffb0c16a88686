// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// The steps of a center that does not run, one by one.
@Suite("AlertCenter: attempts", .unit, .timeLimit(.minutes(1))) struct AlertAttemptTests {
    private let cluster = StagedCluster()

    @Test func `The end of an alert is sent if the alert ends right after its message was planned`() async throws {
        let center = try AlertCenter.staged([cluster], ["ops": StagedChannel()])
        cluster.set([1])
        await center.evaluate()
        let news = try #require(center.beginStep(of: "ops", after: nil).message)
        cluster.set([])
        await center.evaluate()
        await center.noteDelivery(of: news, answer: "")
        let end = center.beginStep(of: "ops", after: nil).message
        #expect(end?.notification.items.map(\.reason) == [.resolved])
    }

    @Test(arguments: [true, false])
    func `A channel counts as failing only as long as it has messages to send`(_ isOver: Bool) async throws {
        let time = Lock(Date(timeIntervalSince1970: 1_790_000_000))
        let center = try AlertCenter.staged([cluster], ["ops": StagedChannel()], now: { time.withLock { $0 } })
        func names(after seconds: Int) async -> [String] {
            for _ in 0..<(seconds / 5) {
                time.withLock { $0 += 5 }
                await center.evaluate()
            }
            return center.alerts.filter { $0.state == .firing }.map(\.name).sorted()
        }
        cluster.set([1])
        await center.evaluate()
        let news = try #require(center.beginStep(of: "ops", after: nil).message)
        await center.noteFailure(of: news, AlertChannelError("no"))
        #expect(await names(after: 200) == ["EtcdMemberDown"])
        cluster.set(isOver ? [] : [1])
        #expect(await names(after: 200) == (isOver ? [] : ["EtcdMemberDown", "EtcdMonitorChannelFailed"]))
        cluster.set([])
        #expect(await names(after: 10) == [])
    }

    @Test func `A failed attempt is removed from the file`() async throws {
        try await withStateFile { path in
            let center = try AlertCenter.staged([cluster], ["ops": StagedChannel()]) { $0.stateFile = path }
            func attempts() throws -> Int {
                let data = try Data(contentsOf: URL(fileURLWithPath: path))
                return try AlertStateFile.state(of: data).attempts["ops", default: [:]].count
            }
            try center.openStateFile()
            cluster.set([1])
            await center.evaluate()
            let news = try #require(center.beginStep(of: "ops", after: nil).message)
            await center.save()
            #expect(try attempts() == 1)
            await center.noteFailure(of: news, AlertChannelError("no"))
            #expect(try attempts() == 0)
        }
    }

    @Test func `A hanging disk delays no other tasks, and gets the newest state in the end`() async throws {
        try await withStateFile { path in
            let center = try AlertCenter.staged([cluster], ["ops": StagedChannel()]) { $0.stateFile = path }
            try center.openStateFile()
            let record = AuditRecord(actor: "eve", action: "newest", subject: "", detail: "")
            try await Self.withHangingDisk(path) {
                await center.save()
            } _: {
                center.core.withLock { _ = $0.engine.audit(record) }
            }
            let saved = try AlertStateFile.state(of: Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(saved.auditRecords.map(\.action) == ["newest"])
        }
    }

    @Test func `A hanging disk delays the answers about new silences, and no others`() async throws {
        try await withStateFile { path in
            let center = try AlertCenter.staged([cluster], ["ops": StagedChannel()]) { $0.stateFile = path }
            try center.openStateFile()
            var options = MonitorAPI.Options()
            options.tokens = [APIToken("a", role: .admin)]
            let api = MonitorAPI(of: [cluster], alerts: center, options)
            let route = try #require(Route.all.first { $0.method == "POST" && $0.path == "/api/v1/silences" })
            let statuses = Lock<[Int]>([])
            try await Self.withHangingDisk(path) {
                let status = await api.respond(to: route.sample("Bearer a")).status
                statuses.withLock { $0.append(status) }
            } _: {
                #expect(await api.respond(to: HTTPRequest("GET", "/healthz")).status == 200)
                #expect(statuses.withLock { $0 } == [])
            }
            let saved = try AlertStateFile.state(of: Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(statuses.withLock { $0 } == saved.silences.map { _ in 201 })
        }
    }

    /// Runs `body` while more tasks write a state file than there are threads for tasks, and the disk hangs.
    private static func withHangingDisk(
        _ path: String,
        _ write: @escaping @Sendable () async -> Void,
        _ body: () async -> Void
    ) async throws {
        // To open a pipe waits for a reader.
        let pipe = "\(path).new"
        try #require(mkfifo(pipe, 0o600) == 0)
        let state = Lock((isDone: false, isInTime: false, reader: Int32(-1)))
        try Platform.startThread {
            let end = ContinuousClock.now + .seconds(10)
            while !state.withLock({ $0.isDone }), .now < end { usleep(1000) }
            state.withLock { state in
                state.isInTime = state.isDone
                state.reader = open(pipe, O_RDONLY | O_NONBLOCK)
                unlink(pipe)
            }
        }
        await withTaskGroup { group in
            for _ in 0...ProcessInfo.processInfo.activeProcessorCount { group.addTask { await write() } }
            try? await Task.sleep(for: .milliseconds(200))
            await body()
            state.withLock { $0.isDone = true }
        }
        close(state.withLock { $0.reader })
        #expect(state.withLock { $0.isInTime })
    }
}
