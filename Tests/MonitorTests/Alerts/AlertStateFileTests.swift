// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertCenter: its file", .unit, .timeLimit(.minutes(1))) struct AlertStateFileTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("alerts-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder.path)
    }

    /// A state in which everything has a value.
    private func bench() throws -> AlertBench {
        let keepAlive = AlertDelivery(isGrouped: false, keepAlive: .seconds(60), resolvedKeepAlive: .seconds(600))
        var bench = AlertBench(channels: ["ops": AlertDelivery(), "prom": keepAlive])
        bench.held = [AlertBench.Subject("A", "1"): .warning, AlertBench.Subject("A", "2"): .warning]
        bench.run(30)
        bench.held = [AlertBench.Subject("A", "1"): .critical]
        bench.run(30)
        bench.down = ["ops"]
        bench.held = [AlertBench.Subject("A", "3"): .critical]
        bench.run(30)
        let silence = Silence(
            [AlertMatcher("member", "3")],
            startsAt: bench.now,
            endsAt: bench.now + 60,
            createdBy: "eve",
            comment: "because"
        )
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        bench.run(10)
        bench.engine.alerts[AlertBench.Subject("A", "3").id]?.alert.figures = ["x": .nan, "y": -.infinity, "z": 0.1]
        return bench
    }

    @Test func `The state is read back as it was written`() throws {
        try withFolder { folder in
            let file = try AlertStateFile("\(folder)/alerts.json")
            #expect(try file.read() == nil)
            let bench = try bench()
            try file.write(bench.engine.saved)
            let saved = try #require(try file.read())
            var engine = AlertEngine(bench.options, channels: bench.deliveries)
            engine.restore(saved)
            #expect(engine.openAlerts.count == 1)
            #expect(engine.openAlerts.first?.figures["x"]?.isNaN == true)
            #expect(engine.history == bench.engine.history)
            #expect(engine.silences == bench.engine.silences)
            #expect(engine.auditRecords == bench.engine.auditRecords)
            #expect(engine.lastEpisode == bench.engine.lastEpisode)
            #expect(engine.identities == bench.engine.identities)
            #expect(engine.waitingAlerts(for: "ops", now: bench.now) == 1)
        }
    }

    @Test func `Only the owner can read the file, and no temporary file is left`() throws {
        try withFolder { folder in
            let file = try AlertStateFile("\(folder)/alerts.json")
            for _ in 0..<2 { try file.write(try bench().engine.saved) }
            let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
            #expect((attributes[.posixPermissions] as? Int) == 0o600)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            #expect(names == ["alerts.json", "alerts.json.lock"])
        }
    }

    @Test func `Two centers do not share a file, and the second gets it when the first is gone`() throws {
        try withFolder { folder in
            let path = "\(folder)/alerts.json"
            do {
                let file = try AlertStateFile(path)
                let error = #expect(throws: EtcdError.self) { try AlertStateFile(path) }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message == "the state file \(path) cannot be used: another monitor uses it")
                try file.write(try bench().engine.saved)
            }
            let file = try AlertStateFile(path)
            #expect(try file.read() != nil)
        }
    }

    @Test func `A damaged file is an error that names it`() throws {
        try withFolder { folder in
            let path = "\(folder)/alerts.json"
            let file = try AlertStateFile(path)
            try file.write(try bench().engine.saved)
            let data = try #require(FileManager.default.contents(atPath: path))
            var others = [Data(), Data("{}".utf8), Data("[]".utf8), Data("{\"version\":2}".utf8), Data([0xff, 0x00])]
            others += [1, 10, 1000].map { data.dropLast($0) }
            for damaged in others {
                try damaged.write(to: URL(fileURLWithPath: path))
                let error = #expect(throws: EtcdError.self) { try file.read() }
                #expect(error?.code == .invalidArgument)
                #expect(error?.message.hasPrefix("the state file \(path) cannot be read: ") == true)
                #expect(FileManager.default.contents(atPath: path) == damaged)
            }
        }
    }

    @Test func `Hostile states do not trap`() throws {
        var bench = try bench()
        var saved = bench.engine.saved
        saved.lastEpisode = .max
        saved.clock = Date(timeIntervalSince1970: 1e300)
        saved.alerts = saved.alerts + saved.alerts
        saved.alerts[0].alert.activeSince = Date(timeIntervalSince1970: 1e300)
        saved.alerts[0].alert.firingSince = nil
        saved.alerts[0].goneSince = Date(timeIntervalSince1970: -1e300)
        saved.alerts[1].alert.state = .resolved
        saved.notified["ops"]?["nobody"] = NotifiedAlert(episode: .min, severity: .info, at: .distantFuture)
        saved.notified["ops"]?["nobody"]?.count = 5
        saved.lastNotified["ops"] = ["main": Date(timeIntervalSince1970: 1e300)]
        bench.engine = AlertEngine(bench.options, channels: bench.deliveries)
        bench.engine.restore(try AlertStateFile.state(of: AlertStateFile.data(of: saved)))
        bench.down = []
        bench.run(600)
        bench.held = [:]
        bench.run(1200)
        #expect(bench.open() == [])
        #expect(bench.engine.alerts.isEmpty)
    }

    @Test func `A missing folder and a full disk are errors that name the file`() throws {
        try withFolder { folder in
            let error = #expect(throws: EtcdError.self) { try AlertStateFile("\(folder)/none/alerts.json") }
            #expect(
                error?.message == "the state file \(folder)/none/alerts.json cannot be used: No such file or directory"
            )
            let file = try AlertStateFile("\(folder)/alerts.json")
            let state = try bench().engine.saved
            // A folder in the place of the new file stands for a disk that takes nothing.
            try FileManager.default.createDirectory(
                atPath: "\(folder)/alerts.json.new",
                withIntermediateDirectories: true
            )
            let problem = file.save { _ in (1, state) }
            #expect(problem == "the state file \(file.path) cannot be written: Is a directory")
            #expect(file.save { _ in (2, state) } == nil)
            try FileManager.default.removeItem(atPath: "\(folder)/alerts.json.new")
            #expect(file.save { _ in (2, state) } == nil)
            #expect(try file.read() != nil)
        }
    }

    @Test func `The file is written only if something has changed`() throws {
        try withFolder { folder in
            let file = try AlertStateFile("\(folder)/alerts.json")
            let state = try bench().engine.saved
            func save(_ revision: Int) -> String? { file.save { $0 == revision ? nil : (revision, state) } }
            #expect(!file.has(1))
            #expect(save(1) == nil && file.has(1))
            try FileManager.default.removeItem(atPath: file.path)
            #expect(save(1) == nil)
            #expect(try file.read() == nil)
            #expect(!file.has(2))
            #expect(save(2) == nil && file.has(2))
            #expect(try file.read() != nil)
        }
    }
}
