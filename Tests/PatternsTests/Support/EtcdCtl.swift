// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdTesting

/// A running `etcdctl`, whose output goes to a file.
final class EtcdCtl {
    private let process = Process()
    private let file: String

    /// Starts the tool of the etcd that is tested.
    init(_ arguments: [String], endpoint: String) async throws {
        let folder = URL(fileURLWithPath: try await EtcdBinary.locate(nil).path).deletingLastPathComponent().path
        let tool = "\(folder)/etcdctl"
        file = "\(FileManager.default.temporaryDirectory.path)/etcdctl-\(UInt64.random(in: .min ... .max))"
        try Data().write(to: URL(fileURLWithPath: file))
        process.executableURL = URL(
            fileURLWithPath: FileManager.default.isExecutableFile(atPath: tool) ? tool : "/usr/bin/etcdctl"
        )
        process.arguments = arguments + ["--endpoints", endpoint]
        process.environment = ["ETCDCTL_API": "3"]
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(atPath: file)
    }

    /// The text that it has printed so far.
    var output: String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }

    /// Asks it to end, as Ctrl-C does, and waits for that.
    func interrupt() async throws {
        process.interrupt()
        try await eventually("etcdctl has ended") { !process.isRunning }
    }
}
