// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

@Suite("etcd-monitor --run-benchmark", .cluster, .timeLimit(.minutes(2)))
struct BenchmarkProgramTests {
    /// Runs a short benchmark.
    private func run(_ endpoint: String, _ flags: String...) async throws -> RunningProgram.Outcome {
        try await RunningProgram(["--run-benchmark", "--endpoints=\(endpoint)"] + flags).outcome()
    }

    @Test("prints its result as text or as JSON, writes a page, and exits by its limits")
    func results() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = cluster.endpoints[0]
            try await withFiles([:]) { folder in
                let text = try await run(
                    endpoint,
                    "--benchmark-type=mixed",
                    "--benchmark-ops=300",
                    "--html=\(folder)/p"
                )
                #expect(text.status == 0, "\(text)")
                #expect(text.output.hasPrefix("mixed: 300 operations in ") && text.output.contains("█"))
                // There is no terminal.
                #expect(text.errors.isEmpty && !text.output.contains("\u{1b}"))
                let page = try String(contentsOfFile: "\(folder)/p", encoding: .utf8)
                #expect(page.hasPrefix("<!doctype html>") && page.contains("Latency over time"))

                let limits = ["--slo-p99-ms=60000", "--slo-min-ops=1", "--slo-max-error-ratio=0"]
                let write = ["--benchmark-type=write", "--benchmark-ops=200", "--json"]
                let json = try await RunningProgram(
                    ["--run-benchmark", "--endpoints=\(endpoint)"] + write + limits
                ).outcome()
                #expect(json.status == 0 && json.output.count { $0 == "\n" } == 1, "\(json)")
                let result = try JSONDecoder().decode(BenchmarkResult.self, from: Data(json.output.utf8))
                #expect(result.operations == 200 && result.options.kind == .write && result.isComplete)
                #expect(json.output.contains("\"limits\":[{"))

                let slow = try await run(endpoint, "--benchmark-ops=50", "--slo-p99-ms=0.001", "--slo-min-ops=1e9")
                #expect(slow.status == 10 && slow.output.contains("missed  p99_ms"))
                let few = try await run(endpoint, "--benchmark-ops=50", "--slo-min-ops=1e9")
                #expect(few.status == 11)
                let preset = try await run(
                    endpoint,
                    "--benchmark-preset=xl",
                    "--benchmark-duration=200ms",
                    "--benchmark-connections=2"
                )
                #expect(preset.status == 13 && preset.output.hasPrefix("write: "), "\(preset)")

                // An earlier result that no machine reaches.
                var fast = result
                fast.duration = .nanoseconds(200)
                try Data(JSONBody.bytes(of: BenchmarkReport(fast))).write(to: URL(fileURLWithPath: "\(folder)/b"))
                let flags = [
                    "--benchmark-type=write", "--benchmark-ops=50", "--compare=\(folder)/b", "--html=\(folder)/q",
                ]
                let worse = try await RunningProgram(
                    ["--run-benchmark", "--endpoints=\(endpoint)"] + flags
                ).outcome()
                #expect(worse.status == 14 && worse.output.contains("COMPARED with the run of "))
                #expect(try String(contentsOfFile: "\(folder)/q", encoding: .utf8).contains("Compared with"))
            }
            let left = try await withEtcdClient(endpoints: endpoint) { try await $0.range(.all).count }
            #expect(left == 0)
        }
    }

    @Test("refuses an impossible benchmark before it makes any load")
    func refusals() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = cluster.endpoints[0]
            let read = BenchmarkReport(.sample(kind: .read))
            var claimed = BenchmarkResult.sample()
            claimed.operations = .max
            let files = [
                "text": "write: 5",
                "claimed": String(decoding: try JSONEncoder().encode(claimed), as: UTF8.self),
                "other": "{\"op\": \"write\"}",
                "read": String(decoding: try JSONBody.bytes(of: read), as: UTF8.self),
            ]
            try await withFiles(files) { folder in
                let cases = [
                    ("--compare=\(folder)/none", "--compare: \(folder)/none: the file cannot be read"),
                    ("--compare=\(folder)/text", "--compare: \(folder)/text: it is not JSON"),
                    ("--compare=\(folder)/other", "--compare: \(folder)/other: it is not a benchmark result: "),
                    ("--compare=\(folder)/claimed", "it contains more operations than possible"),
                    ("--compare=\(folder)/read", "its type is read, not write"),
                    ("--html=\(folder)/none/page", "--html: \(folder)/none/page cannot be written"),
                    ("--html=\(folder)", "--html: \(folder) cannot be written"),
                    ("--benchmark-key-size=1", "benchmark: 1000 keys need 3 bytes after the prefix, not 1"),
                ]
                for (flag, expected) in cases {
                    let outcome = try await run(endpoint, "--benchmark-type=write", flag)
                    #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
                    #expect(outcome.errors.contains(expected), "\(outcome.errors)")
                }
                try await withEtcdClient(endpoints: endpoint) { client in
                    #expect(try await client.range(.all).header.revision == 1)
                    try await client.put("mine/1", "x")
                }
                let page = "\(folder)/page"
                let taken = try await run(endpoint, "--benchmark-prefix=mine/", "--html=\(page)")
                #expect(taken.status == 70 && taken.errors.contains("mine/"), "\(taken)")
                #expect(!FileManager.default.fileExists(atPath: page))
                try Data("old".utf8).write(to: URL(fileURLWithPath: page))
                let gone = try await run("127.0.0.1:1", "--html=\(page)", "--json")
                #expect(gone.status == 70 && gone.output.isEmpty && !gone.errors.isEmpty, "\(gone)")
                #expect(try String(contentsOfFile: page, encoding: .utf8) == "old")
            }
        }
    }

    @Test("ends at a signal with the figures until then, and deletes its keys", arguments: [SIGINT, SIGTERM])
    func signals(number: Int32) async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                let program = try RunningProgram([
                    "--run-benchmark", "--endpoints=\(cluster.endpoints[0])", "--benchmark-type=write",
                    "--benchmark-duration=10m", "--json",
                ])
                #expect(await eventually { (try? await client.range(.all).count) ?? 0 >= 500 })
                program.signal(number)
                let outcome = try await program.outcome()
                #expect(outcome.status == 128 + number, "\(outcome)")
                let result = try JSONDecoder().decode(BenchmarkResult.self, from: Data(outcome.output.utf8))
                #expect(result.operations >= 500 && !result.isComplete && result.latency.count == result.operations)
                #expect(outcome.output.contains("\"ended_early\":"))
                #expect(try await client.range(.all).count == 0)
            }
        }
    }

    @Test("starts its own etcd, which nobody else uses")
    func demo() async throws {
        let outcome = try await RunningProgram(["--run-benchmark", "--demo", "--benchmark-ops=100", "--json"]).outcome()
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
        let result = try JSONDecoder().decode(BenchmarkResult.self, from: Data(outcome.output.utf8))
        #expect(result.operations == 100 && result.servers.count == 3)
    }

    @Test("measures a disk")
    func disk() async throws {
        try await withFiles([:]) { folder in
            let outcome = try await RunningProgram(["--fsync-probe=\(folder)/none"]).outcome()
            #expect(outcome.status == 70 && outcome.errors.hasPrefix("etcd-monitor: --fsync-probe: "))
            let program = try RunningProgram(["--fsync-probe=\(folder)", "--json"])
            try await Task.sleep(for: .milliseconds(500))
            program.signal(SIGINT)
            let probe = try await program.outcome()
            // Where the folder is memory, it may have finished.
            let isEnded = probe.status == 130 && probe.output.isEmpty
            let hasFinished = [0, 16].contains(probe.status) && probe.output.contains("\"fast_enough\":")
            #expect(isEnded || hasFinished, "\(probe)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }
}
