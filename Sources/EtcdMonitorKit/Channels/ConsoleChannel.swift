// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Writes a line for each alert, by default on the standard output.
///
/// In every format, a character that a terminal or a log would interpret, such as a line break in a name, is written as
/// `\u000a`.
public struct ConsoleChannel: AlertChannel {
    /// Converts an alert to a line.
    ///
    /// ```swift
    /// ConsoleChannel(.init { item, notification in "ALERT " + ConsoleChannel.Format.text.line(item, notification) })
    /// ```
    public struct Format: Sendable {
        /// Makes the line of an alert of a notification, without a line break.
        public var line: @Sendable (AlertNotification.Item, AlertNotification) -> String

        /// Makes a format.
        ///
        /// - Parameter line: Makes the line of an alert of a notification, without a line break.
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

        /// A JSON object, with times in RFC 3339.
        ///
        /// Its keys are `time`, `id`, `reason`, `severity`, `labels`, `summary`, `description`, `runbook`, `figures`,
        /// `activeSince`, `firingSince` and `resolvedAt`; keys without a value are left out.
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
    /// Whether a write has not returned yet.
    private let isWriting = Lock(false)

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - format: Converts an alert to a line.
    ///   - write: Writes a line, which has no line break.
    public init(_ format: Format = .text, write: @escaping @Sendable (String) -> Void = Self.print) {
        self.format = format
        self.write = write
    }

    /// Writes a line on the standard output, without buffering.
    ///
    /// - Parameter line: The line, without a line break.
    @Sendable public static func print(_ line: String) {
        // Unlike `print`, which buffers when the output is not a terminal.
        try? FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// `console`.
    public var kind: String { "console" }
    /// Changes of a cluster share a message.
    public var delivery: AlertDelivery { AlertDelivery() }

    /// Writes the lines.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The number of written lines.
    /// - Throws: An error if the output does not accept data, such as a pipe that is not read.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let lines = notification.items.map { Self.escaped(format.line($0, notification)) }
        // Each attempt would block a thread until the output accepts data again.
        if isWriting.withLock({ $0 }) { throw AlertChannelError("the output accepts no data") }
        let isWritten = await offload { [write, isWriting] in
            isWriting.withLock { $0 = true }
            for line in lines { write(line) }
            isWriting.withLock { $0 = false }
            return true
        }
        guard isWritten != nil else {
            var failure = AlertChannelError("the output accepts no data")
            failure.mayHaveArrived = true
            throw failure
        }
        return notification.items.count == 1 ? "1 line written" : "\(notification.items.count) lines written"
    }

    /// The line with JSON escapes for all invisible characters, which does not change JSON.
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
