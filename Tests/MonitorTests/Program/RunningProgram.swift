// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

/// A running `etcd-monitor`, and what it has printed.
final class RunningProgram: Sendable {
    /// The output and the status of a program that has ended.
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    let processID: Int32
    private let folder: URL
    private let ended: AsyncStream<Int32>

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - arguments: Its arguments.
    ///   - environment: Its environment, besides what it needs to run.
    /// - Throws: The error of the system if it cannot be started.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "etcd-monitor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = try Self.program()
        process.arguments = arguments
        let own = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("ETCD_MONITOR_") }
        process.environment = own.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try Self.file(folder, "output")
        process.standardError = try Self.file(folder, "errors")
        let (ended, continuation) = AsyncStream.makeStream(of: Int32.self)
        self.ended = ended
        process.terminationHandler = { process in
            continuation.yield(
                process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
            )
            continuation.finish()
        }
        try process.run()
        processID = process.processIdentifier
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// The output so far.
    var output: String { text("output") }
    /// The standard error so far.
    var errors: String { text("errors") }

    /// Waits for its end; the status is negative for a signal that ended it.
    ///
    /// It is killed after the time, so that no test leaves it behind.
    func outcome(within time: Duration = .seconds(40)) async throws -> Outcome {
        let status = await withTaskGroup(of: Int32?.self) { group in
            group.addTask { [ended] in
                for await status in ended { return status }
                return nil
            }
            group.addTask { [processID] in
                try? await Task.sleep(for: time)
                if !Task.isCancelled { kill(processID, SIGKILL) }
                return nil
            }
            defer { group.cancelAll() }
            for await status in group { if let status { return status } }
            return Int32.min
        }
        return Outcome(status: status, output: output, errors: errors)
    }

    /// Sends it a signal.
    func signal(_ number: Int32) { kill(processID, number) }

    /// Waits until it has printed a text that matches, and returns the first group of it.
    func printed(_ pattern: Regex<(Substring, Substring)>) async throws -> String {
        let found = await eventually { output.firstMatch(of: pattern) != nil }
        try #require(found, "it has printed: \(output) \(errors)")
        return String(try #require(output.firstMatch(of: pattern)).output.1)
    }

    private func text(_ name: String) -> String {
        String(decoding: (try? Data(contentsOf: folder.appending(path: name))) ?? Data(), as: UTF8.self)
    }

    private static func file(_ folder: URL, _ name: String) throws -> FileHandle {
        let file = folder.appending(path: name)
        try Data().write(to: file)
        return try FileHandle(forWritingTo: file)
    }

    /// The program, which is built beside the tests.
    private static func program() throws -> URL {
        let bundles = [Bundle.main] + Bundle.allBundles.filter { $0.bundlePath.hasSuffix(".xctest") }
        let neighbours = bundles.flatMap { [$0.executableURL, $0.bundleURL].compactMap(\.self) }
        let candidates = neighbours.map { $0.deletingLastPathComponent().appending(path: "etcd-monitor") }
        let program = candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) }
        return try #require(program, "no etcd-monitor among \(candidates.map(\.path))")
    }
}
