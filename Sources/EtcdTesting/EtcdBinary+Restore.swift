// SPDX-License-Identifier: Apache-2.0

import Foundation

extension EtcdBinary {
    /// Restores a snapshot into a new data folder, with the tool of the tested etcd.
    ///
    /// - Parameters:
    ///   - snapshot: The file.
    ///   - data: The folder, which must not exist.
    ///   - identity: Arguments that restore an existing member; without them, the data belong to a new member.
    /// - Throws: ``EtcdTestingError`` with the output of the tool.
    static func restore(_ snapshot: String, to data: String, _ identity: [String] = []) async throws {
        let folder = URL(fileURLWithPath: try await locate(nil).path).deletingLastPathComponent().path
        // Since 3.6, `etcdctl` cannot restore.
        let tools = ["etcdutl", "etcdctl"].map { "\(folder)/\($0)" }
        let tool = tools.first { FileManager.default.isExecutableFile(atPath: $0) }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool ?? "/usr/bin/etcdctl")
        process.arguments = ["snapshot", "restore", snapshot, "--data-dir", data] + identity
        process.environment = ["ETCDCTL_API": "3"]
        process.standardOutput = output
        process.standardError = output
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        if status != 0 {
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            throw EtcdTestingError(code: .startFailed, message: "the restore failed: \(text)")
        }
    }
}
