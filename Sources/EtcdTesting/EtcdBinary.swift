// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// An etcd server program, and what its version understands.
struct EtcdBinary: Sendable {
    let path: String

    /// Whether it can be told not to wait for the disk (3.5 and later).
    let hasUnsafeNoFsync: Bool

    private static let known = Lock<[String: EtcdBinary]>([:])

    /// Finds the program and asks it, once in a process, for its flags.
    ///
    /// A `path` of nil stands for the one that `ETCD_BINARY` names, or else for the first on `PATH`.
    static func locate(_ path: String?) async throws -> EtcdBinary {
        let path = try find(path)
        if let binary = known.withLock({ $0[path] }) { return binary }
        let binary = try await EtcdBinary(path: path, hasUnsafeNoFsync: help(path).contains("--unsafe-no-fsync"))
        known.withLock { $0[path] = binary }
        return binary
    }

    /// The folder for the data of so many members.
    ///
    /// A version that waits for the disk is given a memory file system if there is one with room: a fresh member
    /// allocates 123 MiB.
    func dataFolder(members: Int) -> String {
        let memory = "/dev/shm"
        let free = (try? FileManager.default.attributesOfFileSystem(forPath: memory))?[.systemFreeSize] as? NSNumber
        if !hasUnsafeNoFsync, let free, free.uint64Value > UInt64(members) * 512 << 20,
            FileManager.default.isWritableFile(atPath: memory)
        {
            return memory
        }
        return FileManager.default.temporaryDirectory.path
    }

    private static func find(_ path: String?) throws -> String {
        let environment = ProcessInfo.processInfo.environment
        let isExecutable = FileManager.default.isExecutableFile(atPath:)
        if let chosen = path ?? environment["ETCD_BINARY"].flatMap({ $0.isEmpty ? nil : $0 }) {
            guard isExecutable(chosen) else {
                let origin = path == nil ? "the etcd that ETCD_BINARY names" : "the etcd asked for"
                throw EtcdTestingError(code: .binaryNotFound, message: "\(origin) is not a program: \(chosen)")
            }
            return chosen.hasPrefix("/") ? chosen : "\(FileManager.default.currentDirectoryPath)/\(chosen)"
        }
        let usual = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"]
        let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init) + usual
        guard let found = folders.map({ "\($0)/etcd" }).first(where: { $0.hasPrefix("/") && isExecutable($0) }) else {
            let advice = "install it (Debian and Ubuntu: etcd-server, Homebrew: etcd), or set ETCD_BINARY to its path"
            throw EtcdTestingError(code: .binaryNotFound, message: "there is no etcd on PATH; \(advice)")
        }
        return found
    }

    private static func help(_ path: String) async throws -> String {
        let sandbox = try Sandbox(in: FileManager.default.temporaryDirectory.path)
        let text: String
        do {
            let process = try sandbox.spawn([path, "--help"], log: "help")
            let deadline = ContinuousClock.now + .seconds(10)
            while sandbox.isRunning(process), ContinuousClock.now < deadline { await pause(.milliseconds(2)) }
            text = try String(contentsOfFile: "\(sandbox.folder)/help", encoding: .utf8)
        } catch {
            await sandbox.close()
            throw error
        }
        await sandbox.close()
        guard text.contains("--data-dir") else {
            let message = "\(path) is not an etcd server; it says: \(text.prefix(400))"
            throw EtcdTestingError(code: .binaryNotFound, message: message)
        }
        return text
    }
}
