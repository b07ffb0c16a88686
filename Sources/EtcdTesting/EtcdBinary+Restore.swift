// SPDX-License-Identifier: Apache-2.0

import Foundation

extension EtcdBinary {
    /// Restores a snapshot into a new data folder, with the tool that comes with the etcd that is tested.
    ///
    /// - Parameters:
    ///   - snapshot: The file.
    ///   - data: The folder, which must not exist.
    ///   - identity: Arguments that make it a member's that was there before; without them, it is a new one's.
    /// - Throws: ``EtcdTestingError`` with what the tool says.
    static func restore(_ snapshot: String, to data: String, _ identity: [String] = []) async throws {
        let folder = URL(fileURLWithPath: try await locate(nil).path).deletingLastPathComponent().path
        // Since 3.6, `etcdctl` cannot do it.
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
            throw EtcdTestingError(code: .startFailed, message: "restoring has failed: \(text)")
        }
    }
}
