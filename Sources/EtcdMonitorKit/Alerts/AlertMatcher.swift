// SPDX-License-Identifier: Apache-2.0

/// A condition on one label of an alert.
///
/// In the pattern, `*` stands for any text. A missing label is empty. The label `severity` can be matched, too.
public struct AlertMatcher: Sendable, Hashable, Codable {
    /// The name of the label, such as `alertname`, `cluster`, `member` or `severity`.
    public var name: String
    /// The value, in which `*` stands for any text.
    public var value: String
    /// Whether the label must match, or must not match.
    public var isEqual: Bool

    /// Makes a condition.
    ///
    /// - Parameters:
    ///   - name: The name of the label.
    ///   - value: The value, in which `*` stands for any text.
    ///   - isEqual: Whether the label must match, or must not match.
    public init(_ name: String, _ value: String, isEqual: Bool = true) {
        self.name = name
        self.value = value
        self.isEqual = isEqual
    }

    /// Whether an alert fulfils the condition.
    ///
    /// - Parameter alert: The alert.
    /// - Returns: Whether it does.
    public func matches(_ alert: Alert) -> Bool {
        matches(label: alert[name])
    }

    /// Whether a label with this value fulfils the condition.
    func matches(label: String) -> Bool {
        // Most conditions have no asterisk.
        if label == value { return isEqual }
        if !value.utf8.contains(UInt8(ascii: "*")) { return !isEqual }
        return Self.matches(Array(label.utf8), Array(value.utf8)) == isEqual
    }

    /// Whether a text matches a pattern.
    ///
    /// The number of steps is at most the product of their lengths.
    private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        let star = UInt8(ascii: "*")
        var (position, index) = (0, 0)
        // Where to continue if the rest does not match after the last asterisk.
        var retry: (position: Int, index: Int)?
        while position < text.count {
            if index < pattern.count, pattern[index] == star {
                retry = (position, index + 1)
                index += 1
            } else if index < pattern.count, pattern[index] == text[position] {
                position += 1
                index += 1
            } else if let last = retry {
                retry = (last.position + 1, last.index)
                (position, index) = (last.position + 1, last.index)
            } else {
                return false
            }
        }
        return pattern[index...].allSatisfy { $0 == star }
    }
}

extension Alert {
    /// The value of a label, including the severity; empty for a missing label.
    subscript(label: String) -> String { label == "severity" ? severity.rawValue : labels[label] ?? "" }
}

extension [AlertMatcher] {
    /// Whether an alert fulfils all conditions.
    func match(_ alert: Alert) -> Bool { allSatisfy { $0.matches(alert) } }
}
