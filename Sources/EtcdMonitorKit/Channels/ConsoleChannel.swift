// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Writes a line for each alert, on standard output unless told otherwise.
///
/// A character that a terminal or a log would obey, such as the end of a line in a name, is written as
/// `\u000a`, in lines of any format.
public struct ConsoleChannel: AlertChannel {
    /// How an alert becomes a line.
    ///
    /// ```swift
    /// ConsoleChannel(.init { item, notification in "ALERT " + ConsoleChannel.Format.text.line(item, notification) })
    /// ```
    public struct Format: Sendable {
        /// Makes the line of an alert of a notification, without its end.
        public var line: @Sendable (AlertNotification.Item, AlertNotification) -> String

        /// Makes a format.
        ///
        /// - Parameter line: Makes the line of an alert of a notification, without its end.
        public init(line: @escaping @Sendable (AlertNotification.Item, AlertNotification) -> String) {
            self.line = line
        }

        /// A line for people: the time, the severity, the reason, the labels, the summary and the runbook.
        public static let text = Format { item, notification in
            let alert = item.alert
            let labels = alert.labels.filter { $0.key != "alertname" }.sorted { $0.key < $1.key }
            let names = [alert.name] + labels.map { "\($0.key)=\($0.value)" }
            let head = "\(notification.time.rfc3339) \(alert.severity.rawValue) \(item.reason.rawValue)"
            let runbook = alert.runbook.map { " (see \($0))" } ?? ""
            return "\(head) \(names.joined(separator: " ")): \(alert.summary)\(runbook)"
        }

        /// A JSON object, with times as in RFC 3339.
        ///
        /// Its keys are `time`, `id`, `reason`, `severity`, `labels`, `summary`, `description`, `runbook`, `figures`,
        /// `activeSince`, `firingSince` and `resolvedAt`; those without a value are left out.
        public static let json = Format { item, notification in
            let alert = item.alert
            let object: JSONBody.Object = [
                "time": notification.time.rfc3339, "id": alert.id, "reason": item.reason, "severity": alert.severity,
                "labels": alert.labels, "summary": alert.summary, "description": alert.description,
                "runbook": alert.runbook, "figures": alert.figures, "activeSince": alert.activeSince.rfc3339,
                "firingSince": alert.firingSince?.rfc3339, "resolvedAt": alert.resolvedAt?.rfc3339,
            ]
            return (try? JSONBody.bytes(of: object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
        }
    }

    private let format: Format
    private let write: @Sendable (String) -> Void
    /// A write has not returned yet.
    private let isWriting = Lock(false)

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - format: How an alert becomes a line.
    ///   - write: Writes a line, which comes without its end.
    public init(_ format: Format = .text, write: @escaping @Sendable (String) -> Void = Self.print) {
        self.format = format
        self.write = write
    }

    /// Writes a line on standard output, at once.
    ///
    /// - Parameter line: The line without its end.
    @Sendable public static func print(_ line: String) {
        // Not `print`, which keeps lines back when the output is no terminal.
        try? FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// `console`.
    public var kind: String { "console" }
    /// News of a cluster are told together.
    public var delivery: AlertDelivery { AlertDelivery() }

    /// Writes the lines.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: How many lines were written.
    /// - Throws: That the output takes nothing, as a pipe whose reader stands still.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let lines = notification.items.map { Self.escaped(format.line($0, notification)) }
        // Each attempt would hold a thread until the output takes something again.
        if isWriting.withLock({ $0 }) { throw AlertChannelError("the output takes nothing") }
        let isWritten = await offload { [write, isWriting] in
            isWriting.withLock { $0 = true }
            for line in lines { write(line) }
            isWriting.withLock { $0 = false }
            return true
        }
        guard isWritten != nil else {
            var failure = AlertChannelError("the output takes nothing")
            failure.mayHaveArrived = true
            throw failure
        }
        return notification.items.count == 1 ? "1 line written" : "\(notification.items.count) lines written"
    }

    /// The line with escapes of JSON for all that is not shown, which leaves JSON the same.
    private static func escaped(_ line: String) -> String {
        if line.unicodeScalars.allSatisfy(\.isShown) { return line }
        var result = ""
        for scalar in line.unicodeScalars {
            if scalar.isShown {
                result.unicodeScalars.append(scalar)
            } else {
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return result
    }
}
