// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A place where the history is kept for longer than in memory.
///
/// A monitor hands its snapshots to each of its sinks in their order, and again after a failure: a sink gets each of them
/// at least once, and has to keep it once. Sinks neither queue nor try again, and wait for no other. Snapshots
/// that a sink cannot take are kept for it up to a bound, beyond which the oldest are dropped.
public protocol HistorySink: Sendable {
    /// The name of the sink, for people and as the subject of the finding `monitor-history-failed`.
    var name: String { get }
    /// How long snapshots are gathered before they are written together.
    var flushInterval: Duration { get }

    /// Writes some snapshots, the oldest first.
    ///
    /// It has to end by itself within a bounded time, and when its task is cancelled.
    ///
    /// - Parameter snapshots: The snapshots, of which the sink takes what it keeps.
    /// - Throws: Why not all of them could be written.
    func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError)
}

/// Why a history could not be written.
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

/// A sink that does not take what it should.
struct HistoryFailure: Sendable {
    let sink: String
    let reason: String
    let since: Date
    /// The snapshots that wait.
    let waiting: Int
    /// The snapshots that were dropped since then.
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
