// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation

/// A line on the terminal that shows the progress of a benchmark, and that the next one overwrites.
struct ProgressLine: Sendable {
    /// A line of the standard error; nil if that is not a terminal.
    static func standard(environment: [String: String] = ProcessInfo.processInfo.environment) -> ProgressLine? {
        isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb" ? ProgressLine() : nil
    }

    /// Replaces the text of the line.
    func show(_ text: String) { write("\r\u{1b}[K\(text)") }

    /// Removes the line.
    func clear() { show("") }

    private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }

    /// The progress of a benchmark, short enough for a terminal.
    static func text(of progress: BenchmarkProgress) -> String {
        let percent = progress.fraction.map { " \(Report.number((min(max($0, 0), 1) * 100).rounded())) %" } ?? ""
        var parts = ["\(progress.phase.rawValue)\(percent)"]
        if progress.operations > 0 { parts.append("\(progress.operations) done") }
        guard progress.phase == .running else { return parts.joined(separator: ", ") }
        parts.append("\(Report.number(progress.rate.rounded()))/s")
        for (name, time) in [("p50", progress.p50), ("p99", progress.p99)] {
            if let time { parts.append("\(name) \(Report.number(time / .milliseconds(1))) ms") }
        }
        if progress.errors > 0 { parts.append("\(progress.errors) failed") }
        return parts.joined(separator: ", ")
    }
}
