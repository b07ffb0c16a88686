// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

/// The exit statuses of a benchmark, in addition to those of every command.
///
/// For a signal, it is 128 plus its number.
enum BenchmarkStatus {
    static let slowP99: Int32 = 10
    static let lowRate: Int32 = 11
    static let manyErrors: Int32 = 12
    static let presetMissed: Int32 = 13
    static let worse: Int32 = 14
    static let endedEarly: Int32 = 15
    static let slowDisk: Int32 = 16

    static func signal(_ number: Int32) -> Int32 { 128 + number }
}

extension Program {
    /// Runs a benchmark, prints its result, and returns the exit status.
    func benchmark() async throws -> Int32 {
        guard let cluster = settings.clusters.first else { throw UsageError("--endpoints is missing") }
        // Everything that can be refused is refused before there is any load.
        let options = try settings.benchmark.options()
        let baseline = try settings.benchmark.readBaseline(of: options.kind)
        let configuration = try cluster.clientConfiguration()
        let benchmark = try naming("benchmark") { try Benchmark(configuration, options) }
        let page = try settings.benchmark.page.map { try PageFile($0) }
        let (outcome, signal) = await untilSignal { report throws(BenchmarkError) in
            try await benchmark.run { report(ProgressLine.text(of: $0)) }
        }
        let (result, failure): (BenchmarkResult?, BenchmarkError?) =
            switch outcome {
            case .success(let result): (result, nil)
            case .failure(let error): (error.result, error)
            }
        if let failure { say("\(failure)") }
        guard let result else {
            page?.discard()
            return signal.map(BenchmarkStatus.signal) ?? 70
        }
        let (own, presets) = (settings.benchmark.limits, settings.benchmark.preset?.limits)
        let report = BenchmarkReport(
            result,
            checks: own.check(result) + (presets?.check(result) ?? []),
            baseline: baseline,
            tolerance: settings.benchmark.tolerance,
            endReason: failure?.message
        )
        try show([report]) { $0.text }
        try page?.write(report.html)
        let leftovers = failure?.cleanupFailure ?? result.cleanupFailure
        // The error has already said it.
        if let leftovers, failure == nil { say(leftovers) }
        if let signal { return BenchmarkStatus.signal(signal) }
        if failure != nil || !result.isComplete { return BenchmarkStatus.endedEarly }
        return status(of: report, own.check(result)) ?? (leftovers == nil ? 0 : 70)
    }

    /// The status of the first missed limit, or of a comparison; nil if there is no failure.
    private func status(of report: BenchmarkReport, _ own: [BenchmarkCheck]) -> Int32? {
        let statuses = [
            "p99_ms": BenchmarkStatus.slowP99, "ops_per_s": BenchmarkStatus.lowRate,
            "error_ratio": BenchmarkStatus.manyErrors,
        ]
        if let missed = own.first(where: { !$0.isMet }) { return statuses[missed.figure] ?? BenchmarkStatus.slowP99 }
        if report.checks.contains(where: { !$0.isMet }) { return BenchmarkStatus.presetMissed }
        return report.comparison?.isRegression == true ? BenchmarkStatus.worse : nil
    }

    /// Measures the disk of a folder, prints the result, and returns the exit status.
    func probeDisk(_ folder: String) async throws -> Int32 {
        let (outcome, signal) = await untilSignal { report throws(DiskProbeError) in
            try await DiskProbe(folder: folder).run { report("\(Report.number(($0 * 100).rounded())) %") }
        }
        switch outcome {
        case .success(let result):
            try show([result]) { $0.text }
            return result.isFastEnough ? 0 : BenchmarkStatus.slowDisk
        case .failure(let error):
            if let signal { return BenchmarkStatus.signal(signal) }
            throw UsageHint("--fsync-probe: \(error)")
        }
    }

    /// Runs work that a signal cancels, and shows its progress.
    ///
    /// - Parameter work: The work. It receives a function that reports progress.
    /// - Returns: Its result, and the number of the signal; nil if there was none.
    private func untilSignal<Value: Sendable, Failure: Error>(
        _ work: @escaping @Sendable (_ report: @escaping @Sendable (String) -> Void) async throws(Failure) -> Value
    ) async -> (Result<Value, Failure>, Int32?) {
        let line = ProgressLine.standard()
        // The terminal may block, but must not block the work.
        let (texts, newest) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(1))
        async let _: Void = {
            for await text in texts { line?.show(text) }
            line?.clear()
        }()
        let received = Lock<Int32?>(nil)
        let working = Task { () async -> Result<Value, Failure> in
            do throws(Failure) {
                return .success(try await work { newest.yield($0) })
            } catch {
                return .failure(error)
            }
        }
        async let _: Void = {
            guard let number = await EndSignal.wait() else { return }
            received.withLock { $0 = number }
            working.cancel()
        }()
        let outcome = await working.value
        return (outcome, received.withLock { $0 })
    }

    /// Prints a message on the standard error.
    private func say(_ text: String) {
        try? FileHandle.standardError.write(contentsOf: Data("etcd-monitor: \(text)\n".utf8))
    }
}
