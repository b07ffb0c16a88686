// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdTesting
@testable import PatternsWorker

/// A running `PatternsWorker`: its reports, and the harm that can be done to it.
final class WorkerProcess: Sendable {
    private struct Output {
        var offset: UInt64 = 0
        /// The beginning of a line whose end is not there yet.
        var rest = Data()
        var events: [WorkerEvent] = []
        var others: [String] = []
    }

    private let sandbox: Sandbox
    private let process: pid_t
    private let file: URL
    private let output = Lock(Output())

    /// Starts a worker, which ends with the sandbox at the latest.
    init(_ order: WorkerOrder, in sandbox: Sandbox) throws {
        let log = "worker-\(randomHex())"
        self.sandbox = sandbox
        file = URL(fileURLWithPath: "\(sandbox.folder)/\(log)")
        process = try sandbox.spawn([try Self.program()] + order.arguments, log: log)
    }

    /// The events that it has reported so far.
    var events: [WorkerEvent] { output.withLock { read(&$0).events } }

    /// Lines that are no events, such as those of a crash.
    var otherLines: [String] { output.withLock { read(&$0).others } }

    var isRunning: Bool { sandbox.isRunning(process) }

    /// Stops all its threads (SIGSTOP), and returns when they stand still.
    func freeze() async throws {
        sandbox.signal(SIGSTOP, process)
        try await eventually("the worker stands still") { sandbox.isFrozen(process) || !isRunning }
    }

    /// Lets it go on (SIGCONT).
    func thaw() { sandbox.signal(SIGCONT, process) }

    /// Ends it at once (SIGKILL).
    func kill() async throws {
        sandbox.signal(SIGKILL, process)
        try await eventually("the worker is gone") { !isRunning }
    }

    @discardableResult
    private func read(_ output: inout Output) -> Output {
        guard let handle = try? FileHandle(forReadingFrom: file) else { return output }
        defer { try? handle.close() }
        try? handle.seek(toOffset: output.offset)
        guard let new = try? handle.readToEnd() else { return output }
        output.offset += UInt64(new.count)
        var lines = (output.rest + new).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        output.rest = lines.popLast().map { Data($0) } ?? Data()
        for line in lines {
            if let event = WorkerEvent(line: line) {
                output.events.append(event)
            } else {
                output.others.append(String(decoding: line, as: UTF8.self))
            }
        }
        return output
    }

    /// The program, which is built beside the tests.
    private static func program() throws -> String {
        let bundles = [Bundle.main] + Bundle.allBundles.filter { $0.bundlePath.hasSuffix(".xctest") }
        let neighbours = bundles.flatMap { [$0.executableURL, $0.bundleURL].compactMap(\.self) }
        let candidates = neighbours.map { $0.deletingLastPathComponent().appendingPathComponent("PatternsWorker").path }
        let program = candidates.first { FileManager.default.isExecutableFile(atPath: $0) }
        return try #require(program, "no PatternsWorker among \(candidates)")
    }
}
