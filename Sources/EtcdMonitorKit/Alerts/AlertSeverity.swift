// SPDX-License-Identifier: Apache-2.0

/// The severity of an alert.
public enum AlertSeverity: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    /// Information that needs no action.
    case info
    /// Someone should look at it soon.
    case warning
    /// Someone must act now.
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

    /// Makes the severity of an alert about a finding.
    ///
    /// - Parameter verdict: The verdict; `unknown` is a warning, because it may hide a fault.
    public init(_ verdict: Verdict) {
        switch verdict {
        case .ok: self = .info
        case .unknown, .degraded: self = .warning
        case .critical: self = .critical
        }
    }
}
