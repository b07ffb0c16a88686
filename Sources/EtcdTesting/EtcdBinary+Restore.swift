// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension EtcdBinary {
    /// Restores a snapshot into a new data folder.
    ///
    /// - Parameters:
    ///   - snapshot: The file.
    ///   - data: The folder, which must not exist.
    ///   - identity: Arguments that restore an existing member; without them, the data belong to a new member.
    ///   - tool: The program to restore it with; nil for the tool of the tested etcd.
    /// - Throws: ``EtcdTestingError`` with the beginning of the tool's output.
    static func restore(
        _ snapshot: String,
        to data: String,
        _ identity: [String] = [],
        with tool: String? = nil
    ) async throws {
        let folder = URL(fileURLWithPath: try await locate(nil).path).deletingLastPathComponent().path
        // Since 3.6, `etcdctl` cannot restore.
        let tools = ["etcdutl", "etcdctl"].map { "\(folder)/\($0)" }
        let found = tools.first { FileManager.default.isExecutableFile(atPath: $0) } ?? "/usr/bin/etcdctl"
        let outcome = try await ChildProcess.run(
            [tool ?? found, "snapshot", "restore", snapshot, "--data-dir", data] + identity,
            environment: ["ETCDCTL_API": "3"],
            input: [],
            timeout: .seconds(60)
        )
        if outcome.status != 0 {
            let text = String(decoding: outcome.output + outcome.errors, as: UTF8.self)
            throw EtcdTestingError(code: .startFailed, message: "the restore failed: \(text)")
        }
    }
}
