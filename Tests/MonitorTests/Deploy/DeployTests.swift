// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

/// The folder `Deploy` is compared with the program; its own script checks the rest.
@Suite("The folder Deploy", .cluster, .timeLimit(.minutes(2)))
struct DeployTests {
    private static func text(_ path: String) throws -> String {
        try Repository.text("Deploy/\(path)")
    }

    @Test(
        "passes the checks of the installed programs",
        .enabled(if: DeployCheck.python != nil, "no Python with PyYAML"),
        arguments: ["dockerfile", "compose", "kubernetes", "helm", "systemd"]
    )
    func parts(part: String) throws {
        let (status, output) = try DeployCheck.run([part])
        #expect(output.contains("ok       \(part): "), "\(output)")
        let failures = output.split(separator: "\n").filter { !$0.hasPrefix("ok ") && !$0.hasPrefix("skipped ") }
        #expect(status == 0 && failures.isEmpty, "\(failures.joined(separator: "\n"))")
    }

    @Test(
        "the files of settings are understood",
        arguments: [("compose", false), ("kubernetes/base", true), ("systemd", true)]
    )
    func settings(place: String, hasTokens: Bool) throws {
        let text = try Self.text("\(place)/etcd-monitor.json")
        // Each secret that it names is in one folder here.
        let local = text.replacing(#//run/secrets/[a-z-]+/#, with: "${CREDENTIALS_DIRECTORY}")
        let names = local.matches(of: #/"\$\{CREDENTIALS_DIRECTORY\}/([^"]+)"/#).map { String($0.output.1) }
        let files = Dictionary(names.map { ($0, "s3cret") }, uniquingKeysWith: { first, _ in first })
        try withFiles(files.merging(["settings.json": local]) { $1 }) { folder in
            let settings = try Settings(
                ["--config=\(folder)/settings.json"],
                environment: ["CREDENTIALS_DIRECTORY": folder]
            )
            #expect(settings.command == .serve)
            #expect(settings.clusters.count == 1)
            #expect(settings.clusters.first?.historyFile == "/var/lib/etcd-monitor/history.jsonl")
            #expect((settings.apiToken != nil) == hasTokens)
        }
    }

    @Test(
        "uses probe paths that are served without a token",
        arguments: ["kubernetes/base/deployment.yaml", "helm/etcd-monitor/templates/deployment.yaml"]
    )
    func probes(file: String) throws {
        let paths = try Self.text(file).matches(of: #/httpGet: \{path: (/[a-z]+), port/#).map { String($0.output.1) }
        #expect(paths.count == 2)
        for path in paths { #expect(Route.of(path: path).contains { $0.method == "GET" && $0.role == nil }, "\(path)") }
    }

    @Test("has an image whose health check asks the program at the image's address")
    func healthCheck() throws {
        let text = try Self.text("Dockerfile")
        let flag = try #require(text.firstMatch(of: #/HEALTHCHECK .* CMD \["etcd-monitor", "(--[a-z-]+)"\]/#)?.output.1)
        let variable = try #require(text.firstMatch(of: #/ENV (ETCD_MONITOR_[A-Z_]+)=(\S+)/#)?.output)
        let settings = try Settings([String(flag)], environment: [String(variable.1): String(variable.2)])
        #expect(settings.command == .alive)
        #expect(settings.apiHost == "0.0.0.0")
        #expect(text.contains("EXPOSE \(settings.apiPort)\n"))
    }
}

/// The script `Deploy/check.py`, where there is a Python that can run it.
private enum DeployCheck {
    static let python: String? = {
        let environment = ProcessInfo.processInfo.environment
        let folders = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
        return ([environment["MONITOR_PYTHON"] ?? ""] + folders).first { path in
            FileManager.default.isExecutableFile(atPath: path) && (try? run(path, ["-c", "import yaml"]).status) == 0
        }
    }()

    /// Runs the script, and returns its status and its output.
    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        try run(try #require(python), [Repository.url("Deploy/check.py").path] + arguments)
    }

    private static func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        // It leaves nothing in the folder.
        let own = ["PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"]
        process.environment = ProcessInfo.processInfo.environment.merging(own) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
