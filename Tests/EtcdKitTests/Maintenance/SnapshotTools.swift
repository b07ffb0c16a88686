// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit
@testable import EtcdTesting

/// Lends an empty folder to `body`, and removes it.
func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = "\(FileManager.default.temporaryDirectory.path)/etcd-kit-\(randomHex())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// The names in a folder.
func contents(of folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

extension EtcdCluster {
    /// Restores a snapshot with etcd's own tool, and starts an etcd on the data.
    static func withRestored<Result>(
        _ snapshot: String,
        in folder: String,
        _ body: (EtcdClient) async throws -> Result
    ) async throws -> Result {
        let data = "\(folder)/restored"
        try await EtcdBinary.restore(snapshot, to: data)
        return try await withEtcdCluster(Options(extraArguments: ["--data-dir=\(data)"])) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0], body)
        }
    }
}

extension EtcdClient {
    /// Puts so many megabytes, each under a key of its own.
    func fill(megabytes: Int) async throws {
        for number in 0..<megabytes { try await put("fill/\(number)", Value(String(repeating: "x", count: 1 << 20))) }
    }
}
