// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A place that stores the history for longer than the memory does.
///
/// A monitor passes its snapshots to each of its sinks in order, and again after a failure: a sink receives each
/// snapshot at least once, and must store it once. Sinks neither queue nor retry, and do not wait for each other. The
/// monitor keeps the snapshots that a sink cannot accept, up to a limit, beyond which it drops the oldest.
public protocol HistorySink: Sendable {
    /// The name of the sink, which is the subject of the finding `monitor-history-failed`.
    var name: String { get }
    /// How long snapshots are collected before they are written together.
    var flushInterval: Duration { get }

    /// Writes snapshots, the oldest first.
    ///
    /// It must end by itself within a bounded time, and when its task is cancelled.
    ///
    /// - Parameter snapshots: The snapshots. The sink chooses the parts that it stores.
    /// - Throws: The reason why not all of them could be written.
    func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError)
}

/// An error of a history sink.
public struct HistorySinkError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason, in one line, without secrets.
    public var message: String

    /// Makes an error.
    ///
    /// - Parameter message: The reason, in one line, without secrets.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}

/// The state of a sink that is behind.
struct HistoryFailure: Sendable {
    let sink: String
    let reason: String
    let since: Date
    /// The number of waiting snapshots.
    let waiting: Int
    /// The number of snapshots that were dropped since then.
    let dropped: Int

    /// The failure as a finding.
    var finding: Finding {
        let lost = dropped == 0 ? "" : "; \(dropped) polls were dropped"
        return Finding(
            Finding.ID(.monitorHistoryFailed, sink),
            .degraded,
            "The history cannot be written to \(sink): \(reason)\(lost)",
            since: since,
            evidence: ["waiting_polls": Double(waiting), "dropped_polls": Double(dropped)]
        )
    }
}
