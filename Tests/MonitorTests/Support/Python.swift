// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Python, where it is installed: on PATH or in MONITOR_PYTHON.
enum Python {
    /// Any Python 3.
    static let path = find(importing: "email.policy")
    /// One that has `aiosmtpd`.
    static let withMailServer = find(importing: "aiosmtpd.smtp")
    /// One that has `prometheus_client`.
    static let withPrometheusClient = find(importing: "prometheus_client")

    private struct Failed: Error {}

    /// Runs a program of Python, and returns what it writes.
    static func run(_ program: String, _ arguments: [String], input: Data = Data()) throws -> Data {
        let file = FileManager.default.temporaryDirectory.appending(path: "python-\(UUID().uuidString)")
        try input.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONUTF8": "1"]) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failed() }
        return data
    }

    private static func find(importing module: String) -> String? {
        let environment = ProcessInfo.processInfo.environment
        let folders = (environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
        return ([environment["MONITOR_PYTHON"] ?? ""] + folders).first { path in
            guard FileManager.default.isExecutableFile(atPath: path) else { return false }
            return (try? run(path, ["-c", "import \(module)"])) != nil
        }
    }
}
