// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Alerts of the program etcd-monitor", .cluster, .timeLimit(.minutes(2)))
struct AlertProgramTests {
    /// Lends a cluster, a receiver and a folder to `body`.
    private func run(
        answering answer: @escaping RecordingReceiver.Answer = { _ in HTTPResponse(200) },
        _ body: (EtcdCluster, EtcdClient, RecordingReceiver, String) async throws -> Void
    ) async throws {
        try await withEtcdCluster(members: 1) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                try await RecordingReceiver.run(answering: answer) { receiver in
                    try await withFiles([:]) { try await body(cluster, client, receiver, $0) }
                }
            }
        }
    }

    /// Starts the program with a configuration, and waits until it serves.
    private func start(_ configuration: String, _ folder: String) async throws -> (RunningProgram, port: String) {
        let file = "\(folder)/\(UUID().uuidString).json"
        try Data(configuration.utf8).write(to: URL(fileURLWithPath: file))
        let program = try RunningProgram(["--config=\(file)"])
        return (program, try await program.port())
    }

    private func kill(_ program: RunningProgram) async throws {
        program.signal(SIGKILL)
        #expect(try await program.outcome().status == -SIGKILL)
    }

    /// Waits until the API shows an alert in a state.
    private func shows(_ state: String, _ port: String) async -> Bool {
        await eventually {
            guard let text = try? await RunningProgram.get("/api/v1/alerts", at: port).text else { return false }
            return text.contains("EtcdManyKeys") && text.contains("\"\(state)\"")
        }
    }

    @Test("a killed monitor continues: an alert is sent once, and so is its end")
    func killed() async throws {
        try await run { cluster, client, receiver, folder in
            let configuration = AlertingProgram.configuration(
                cluster.endpoints,
                hook: receiver.origin + "/hook",
                stateFile: "\(folder)/state.json",
                holdsFor: "1s"
            )
            try await AlertingProgram.setKeys(11, client)
            var (program, port) = try await start(configuration, folder)
            #expect(await shows("pending", port))
            try await kill(program)

            (program, port) = try await start(configuration, folder)
            _ = try await program.printed(/sent      (hook: etcd: EtcdManyKeys fired)\ /)
            #expect(receiver.alerts == ["EtcdManyKeys firing"])
            try await kill(program)

            (program, port) = try await start(configuration, folder)
            #expect(await shows("firing", port))
            try await Task.sleep(for: .seconds(1))
            #expect(receiver.alerts == ["EtcdManyKeys firing"])
            try await kill(program)

            try await AlertingProgram.setKeys(0, client)
            (program, port) = try await start(configuration, folder)
            _ = try await program.printed(/sent      (hook: etcd: EtcdManyKeys resolved)\ /)
            #expect(receiver.alerts == ["EtcdManyKeys firing", "EtcdManyKeys resolved"])
            try await kill(program)

            (program, port) = try await start(configuration, folder)
            #expect(try await RunningProgram.get("/api/v1/alerts/history", at: port).text.contains("EtcdManyKeys"))
            try await Task.sleep(for: .seconds(1))
            #expect(receiver.alerts == ["EtcdManyKeys firing", "EtcdManyKeys resolved"])
            #expect(Set(receiver.requests.map { $0.headers["Idempotency-Key"] }).count == 2)
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
        }
    }

    @Test("without its state file, a monitor sends alerts again after a restart (control)")
    func forgetful() async throws {
        try await run { cluster, client, receiver, folder in
            let configuration = AlertingProgram.configuration(cluster.endpoints, hook: receiver.origin)
            try await AlertingProgram.setKeys(11, client)
            for _ in 1...2 {
                let (program, _) = try await start(configuration, folder)
                _ = try await program.printed(/sent      (hook: etcd: EtcdManyKeys fired)\ /)
                try await kill(program)
            }
            #expect(receiver.alerts == ["EtcdManyKeys firing", "EtcdManyKeys firing"])
        }
    }

    @Test("messages that were not accepted before a kill are sent after it, with the same key")
    func undelivered() async throws {
        let isWell = Lock(false)
        try await run(answering: { _ in HTTPResponse(isWell.withLock { $0 } ? 200 : 500) }) {
            cluster,
            client,
            receiver,
            folder in
            let configuration = AlertingProgram.configuration(
                cluster.endpoints,
                hook: receiver.origin,
                stateFile: "\(folder)/state.json"
            )
            try await AlertingProgram.setKeys(11, client)
            var (program, _) = try await start(configuration, folder)
            _ = try await program.printed(/not sent  (hook: etcd: EtcdManyKeys fired) \(\S+ answered 500\)/)
            try await kill(program)
            isWell.withLock { $0 = true }
            (program, _) = try await start(configuration, folder)
            _ = try await program.printed(/sent      (hook: etcd: EtcdManyKeys fired)\ /)
            let keys = receiver.requests.map { $0.headers["Idempotency-Key"] }
            #expect(keys.count >= 2 && Set(keys).count == 1, "\(keys)")
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
        }
    }

    @Test("two monitors do not share a state file: the second one ends, and the first goes on")
    func sharedState() async throws {
        try await run { cluster, client, receiver, folder in
            let state = "\(folder)/state.json"
            let configuration = AlertingProgram.configuration(
                cluster.endpoints,
                hook: receiver.origin,
                stateFile: state
            )
            let (first, port) = try await start(configuration, folder)
            try Data(configuration.utf8).write(to: URL(fileURLWithPath: "\(folder)/second.json"))
            let second = try await RunningProgram(["--config=\(folder)/second.json"]).outcome()
            #expect(second.status == 70)
            #expect(second.errors.contains(state), "\(second.errors)")
            let other = try RunningProgram([
                "--config=\(folder)/second.json", "--alert-state-file=\(folder)/other.json",
            ])
            _ = try await other.port()
            try await kill(other)

            try await AlertingProgram.setKeys(11, client)
            #expect(await shows("firing", port))
            first.signal(SIGTERM)
            #expect(try await first.outcome().status == 0)
        }
    }

    @Test("a channel that hangs delays neither another channel nor the end of the program")
    func hanging() async throws {
        try await run { cluster, client, receiver, folder in
            try await withSilence { silent in
                let configuration = AlertingProgram.configuration(cluster.endpoints, hook: receiver.origin)
                    .replacing(
                        "\"channels\": {\"hook\"",
                        with: """
                            "channels": {"slow": {"type": "webhook", "url": "http://\(silent)", "timeout": "10m"}, "hook"
                            """
                    )
                    .replacing("\"channels\": [\"hook\"]", with: "\"channels\": [\"slow\", \"hook\"]")
                try await AlertingProgram.setKeys(11, client)
                let (program, _) = try await start(configuration, folder)
                _ = try await program.printed(/sent      (hook: etcd: EtcdManyKeys fired)\ /)
                program.signal(SIGTERM)
                let outcome = try await program.outcome(within: .seconds(20))
                #expect(outcome.status == 0)
                #expect(!outcome.output.contains("slow: "), "control: its message is still being sent")
            }
        }
    }

    @Test("a console channel prints only JSON lines to the output")
    func console() async throws {
        try await run { cluster, client, receiver, folder in
            let configuration = AlertingProgram.configuration(cluster.endpoints, hook: receiver.origin)
                .replacing(#/\{"type": "webhook".*?\}/#, with: #"{"type": "console", "format": "json"}"#)
            try await AlertingProgram.setKeys(11, client)
            try Data(configuration.utf8).write(to: URL(fileURLWithPath: "\(folder)/m.json"))
            let program = try RunningProgram(["--config=\(folder)/m.json"])
            #expect(await eventually { program.output.contains("\n") })
            program.signal(SIGTERM)
            let outcome = try await program.outcome()
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.count == 1)
            for line in lines {
                #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
            }
            #expect(outcome.errors.contains("Serving at ") && outcome.errors.contains("1 members"))
            #expect(!outcome.errors.contains("sent "))
        }
    }
}
