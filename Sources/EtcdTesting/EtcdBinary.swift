// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// An etcd server program, and the flags that its version supports.
struct EtcdBinary: Sendable {
    let path: String

    /// Whether fsync can be disabled (3.5 and later).
    let hasUnsafeNoFsync: Bool

    private static let known = Lock<[String: EtcdBinary]>([:])

    /// Finds the program and, once per process, reads its flags.
    ///
    /// A `path` of nil stands for the program that `ETCD_BINARY` names, or for the first one on `PATH`.
    static func locate(_ path: String?) async throws -> EtcdBinary {
        let path = try find(path)
        if let binary = known.withLock({ $0[path] }) { return binary }
        let binary = try await EtcdBinary(path: path, hasUnsafeNoFsync: help(path).contains("--unsafe-no-fsync"))
        known.withLock { $0[path] = binary }
        return binary
    }

    /// The folder for the data of a number of members.
    ///
    /// A version that always syncs gets a memory file system if there is one with enough space: a new member allocates
    /// 123 MiB.
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
                let origin = path == nil ? "the etcd of ETCD_BINARY" : "the requested etcd"
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
            let message = "\(path) is not an etcd server; its output: \(text.prefix(400))"
            throw EtcdTestingError(code: .binaryNotFound, message: message)
        }
        return text
    }
}
