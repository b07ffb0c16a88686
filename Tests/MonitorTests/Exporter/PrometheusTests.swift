// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit
@testable import EtcdTesting

/// A real Prometheus scrapes the exporter of a monitor of a real etcd.
@Suite(.timeLimit(.minutes(2)), .enabled(if: RunningPrometheus.program != nil, "there is no prometheus on PATH"))
struct PrometheusTests {
    @Test func `Prometheus scrapes the exporter without a complaint, and its own page is understood here`() async throws
    {
        try await WatchedCluster.run { watched in
            let api = MonitorAPI([watched.monitor])
            let server = HTTPServer { await api.respond(to: $0) }
            let ports = AsyncStream.makeStream(of: UInt16.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run { ports.continuation.yield($0) } }
                let port = try #require(await ports.stream.first { _ in true })
                let prometheus = try RunningPrometheus(scraping: port)
                defer { prometheus.stop() }
                let deadline = ContinuousClock.now + .seconds(60)
                var answer = ""
                while !answer.contains(#""value":["#) || !answer.hasSuffix(#","3"]}]}}"#) {
                    try #require(ContinuousClock.now < deadline, "\(answer)\n\(prometheus.log)")
                    try await Task.sleep(for: .milliseconds(200))
                    let query = "/api/v1/query?query=sum(etcd_monitor_cluster_members)"
                    answer = String(decoding: (try? await prometheus.get(query)) ?? [], as: UTF8.self)
                }
                let complaints = prometheus.log.split(separator: "\n").filter { line in
                    line.contains("level=warn") || line.contains("level=error") || line.contains("level=WARN")
                }
                #expect(complaints.isEmpty)

                let page = try await prometheus.get("/metrics")
                #expect(try Exposition(parsing: page)["prometheus_ready"] == 1)
                if ReferenceParser.python != nil { try ExpositionAgreementTests.compare(page) }
                group.cancelAll()
            }
        }
    }
}

/// A Prometheus on a free port, with a folder of its own.
private final class RunningPrometheus: Sendable {
    static let program = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .map { "\($0)/prometheus" }.first { FileManager.default.isExecutableFile(atPath: $0) }

    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prometheus-\(UUID())")
    private let process: Int32
    private let port: UInt16

    init(scraping target: UInt16) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let ports = try LoopbackPorts(count: 1)
        port = ports.numbers[0]
        ports.release()
        let configuration = """
            global: {scrape_interval: 1s}
            scrape_configs:
              - job_name: etcd-monitor
                static_configs: [{targets: ["127.0.0.1:\(target)"]}]
            """
        let file = folder.appendingPathComponent("prometheus.yml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let output = folder.appendingPathComponent("log")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.program))
        process.arguments = [
            "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.path)/data",
            "--web.listen-address=127.0.0.1:\(port)",
        ]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = process.standardOutput
        try process.run()
        self.process = process.processIdentifier
    }

    var log: String { (try? String(contentsOf: folder.appendingPathComponent("log"), encoding: .utf8)) ?? "" }

    func get(_ path: String) async throws -> [UInt8] {
        let endpoint = try Endpoint("127.0.0.1:\(port)")
        return try await HTTPClient().get(path, at: endpoint, timeout: .seconds(5), maximumBody: 4 << 20).body
    }

    func stop() {
        kill(process, SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }
}
