// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Trials of channels by etcd-monitor --test-alert", .cluster, .timeLimit(.minutes(1)))
struct TrialTests {
    /// Runs the program with these channels.
    private func outcome(
        _ channel: String,
        of channels: String,
        environment: [String: String] = [:]
    ) async throws -> RunningProgram.Outcome {
        try await withFiles(["m.json": #"{"alerts": {"channels": {\#(channels)}}}"#]) { folder in
            try await RunningProgram(["--config=\(folder)/m.json", "--test-alert", channel], environment: environment)
                .outcome()
        }
    }

    @Test("a trial is sent without any etcd, and the answer is printed")
    func success() async throws {
        try await RecordingReceiver.run(answering: { _ in HTTPResponse(200, "thank you") }) { receiver in
            let outcome = try await outcome("hook", of: #""hook": {"type": "webhook", "url": "\#(receiver.origin)/h"}"#)
            #expect(outcome.status == 0)
            #expect(outcome.output == "hook: \(receiver.origin) answered 200: thank you\n")
            #expect(outcome.errors.isEmpty)
            #expect(receiver.requests.count == 1)
            #expect(receiver.alerts == ["EtcdMonitorTrial firing"])
        }
    }

    @Test("a channel of the environment needs no file")
    func environment() async throws {
        try await RecordingReceiver.run { receiver in
            let outcome = try await RunningProgram(
                ["--test-alert=webhook"],
                environment: ["ETCD_MONITOR_WEBHOOK_URL": "\(receiver.origin)/h"]
            ).outcome()
            #expect(outcome.status == 0)
            #expect(receiver.requests.map(\.path) == ["/h"])
        }
    }

    @Test("a refusal is printed with its reason, and has a status of its own")
    func failure() async throws {
        try await RecordingReceiver.run(answering: { _ in HTTPResponse(403, "go away") }) { receiver in
            let outcome = try await outcome("hook", of: #""hook": {"type": "webhook", "url": "\#(receiver.origin)/h"}"#)
            #expect(outcome.status == 70)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors == "etcd-monitor: hook: \(receiver.origin) answered 403: go away\n")
        }
    }

    @Test("an unknown channel is refused with the names of the others")
    func unknown() async throws {
        let two = #""a": {"type": "console"}, "b": {"type": "console"}"#
        let outcome = try await outcome("c", of: two)
        #expect(outcome.status == 64)
        #expect(outcome.errors == "etcd-monitor: there is no channel \"c\"; there are: a, b\n")
        let none = try await RunningProgram(["--test-alert=c"]).outcome()
        #expect(none.status == 64)
        #expect(none.errors == "etcd-monitor: there is no channel \"c\" and no other\n")
    }

    @Test("a channel that cannot work is refused, also before the program serves")
    func unusable() async throws {
        let channel = #""x": {"type": "slack", "url": "s3cret"}, "y": {"type": "slack", "urlFile": "/none"}"#
        let trial = try await outcome("x", of: channel)
        #expect(trial.status == 64)
        #expect(trial.errors.hasPrefix("etcd-monitor: the channel \"x\": the URL is not valid"), "\(trial.errors)")
        #expect(!trial.errors.contains("s3cret"))
        let file = try await outcome("y", of: channel)
        #expect(file.status == 64)
        #expect(file.errors.contains("the channel \"y\": ") && file.errors.contains("/none cannot be read"))
        let serving = try await RunningProgram(
            ["--endpoints=127.0.0.1:1", "--api-port=0"],
            environment: ["ETCD_MONITOR_SLACK_URL": "s3cret"]
        ).outcome()
        #expect(serving.status == 64)
        #expect(serving.errors.hasPrefix("etcd-monitor: the channel \"slack\": "))
        #expect(serving.output.isEmpty && !serving.errors.contains("s3cret"))
    }
}
