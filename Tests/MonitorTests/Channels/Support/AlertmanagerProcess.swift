// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit
@testable import EtcdTesting

/// A real Alertmanager on a free port, with a folder of its own.
final class AlertmanagerProcess: Sendable {
    static let program = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        .flatMap { ["\($0)/prometheus-alertmanager", "\($0)/alertmanager"] }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    let port: UInt16
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("alertmanager-\(UUID())")
    private let process: Int32

    /// Starts it.
    ///
    /// - Parameter webhook: The URL to which it posts alerts, each group at once; nil for nowhere.
    /// - Throws: The error of the system if it cannot be started.
    init(webhook: String? = nil) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let ports = try LoopbackPorts(count: 1)
        port = try #require(ports.numbers.first)
        ports.release()
        let receiver = webhook.map { "\n    webhook_configs: [{url: \"\($0)\", send_resolved: true}]" } ?? ""
        let configuration = """
            route: {receiver: all, group_by: [cluster], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
            receivers:
              - name: all\(receiver)
            """
        let file = folder.appendingPathComponent("alertmanager.yml")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let output = folder.appendingPathComponent("log")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.program))
        process.arguments = [
            "--config.file=\(file.path)", "--storage.path=\(folder.path)/data",
            "--web.listen-address=127.0.0.1:\(port)", "--cluster.listen-address=",
        ]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = process.standardOutput
        try process.run()
        self.process = process.processIdentifier
    }

    /// Its URL, as the channel takes it.
    var url: Secret { Secret("http://127.0.0.1:\(port)") }

    var log: String { (try? String(contentsOf: folder.appendingPathComponent("log"), encoding: .utf8)) ?? "" }

    /// Waits until it takes requests.
    func ready() async throws {
        let isReady = await eventually { (try? await get("/-/ready").response.status) == 200 }
        try #require(isReady, "\(log)")
    }

    /// The alerts that are not over.
    func alerts() async throws -> [JSON] { try JSON(await get("/api/v2/alerts").body).elements }

    func stop() {
        kill(process, SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    private func get(_ path: String) async throws -> HTTPClient.Exchange {
        try await HTTPClient().get(path, at: Endpoint("127.0.0.1:\(port)"), timeout: .seconds(5), maximumBody: 4 << 20)
    }
}
