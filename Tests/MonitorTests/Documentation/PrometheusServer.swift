// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdTesting

/// A server of the Prometheus project on a free port, with a folder of its own.
final class PrometheusServer: Sendable {
    let folder: URL
    private let port: UInt16
    private let process: Int32

    /// Starts Prometheus with a configuration, beside which are these files.
    static func prometheus(_ configuration: String, files: [String: String] = [:]) throws -> PrometheusServer {
        let files = files.merging(["prometheus.yml": configuration]) { $1 }
        return try PrometheusServer(PrometheusFiles.program("prometheus"), files) { folder, port in
            [
                "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                "--web.listen-address=127.0.0.1:\(port)",
            ]
        }
    }

    init(_ program: String?, _ files: [String: String], _ arguments: (String, UInt16) -> [String]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "prometheus-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, text) in files {
            try text.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
        }
        let ports = try LoopbackPorts(count: 1)
        port = try #require(ports.numbers.first)
        ports.release()
        let output = folder.appending(path: "log")
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(program))
        process.arguments = arguments(folder.path, port)
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = process.standardOutput
        try process.run()
        self.process = process.processIdentifier
    }

    var address: String { "http://127.0.0.1:\(port)" }

    var log: String { (try? String(contentsOf: folder.appending(path: "log"), encoding: .utf8)) ?? "" }

    func stop() {
        kill(process, SIGKILL)
        try? FileManager.default.removeItem(at: folder)
    }

    func get(_ path: String) async throws -> Data {
        let answer = try await LoopbackHTTP.request(path, port: port, deadline: .now + .seconds(10))
        // Not an expectation: a server that starts answers 503, and is asked again.
        guard answer.status == 200 else { throw Refusal(path: path, status: answer.status, text: answer.text) }
        return answer.body
    }

    private struct Refusal: Error {
        let path: String
        let status: Int
        let text: String
    }

    /// Waits until `condition` holds; while the server does not answer, it does not.
    func wait(
        _ title: String,
        within limit: Duration = .seconds(40),
        until condition: () async throws -> Bool
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while (try? await condition()) != true {
            try #require(ContinuousClock.now < deadline, "\(title)\n\(log.suffix(2000))")
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// A series in the answer to a query.
    struct Series: Decodable {
        let metric: [String: String]
    }

    /// The result of a query at this moment.
    func query(_ expression: String) async throws -> [Series] {
        struct Answer: Decodable {
            let data: Results
        }
        struct Results: Decodable {
            let result: [Series]
        }
        let text = try #require(expression.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
        return try JSONDecoder().decode(Answer.self, from: try await get("/api/v1/query?query=\(text)")).data.result
    }
}
