// SPDX-License-Identifier: Apache-2.0

/// How urgent an alert is.
public enum AlertSeverity: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    /// It is worth knowing.
    case info
    /// Someone should look at it soon.
    case warning
    /// Someone has to act now.
    case critical

    /// Orders severities: info, warning, critical.
    public static func < (left: AlertSeverity, right: AlertSeverity) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .info: 0
        case .warning: 1
        case .critical: 2
        }
    }

    /// The severity of an alert about a finding with a verdict.
    ///
    /// - Parameter verdict: The verdict; `unknown` is a warning, because something may be wrong that nobody sees.
    public init(_ verdict: Verdict) {
        switch verdict {
        case .ok: self = .info
        case .unknown, .degraded: self = .warning
        case .critical: self = .critical
        }
    }
}
