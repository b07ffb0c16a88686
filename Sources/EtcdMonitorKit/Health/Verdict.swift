// SPDX-License-Identifier: Apache-2.0

/// The severity of a state.
public enum Verdict: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
    /// No problem, or a notice that needs no action.
    case ok
    /// The monitor cannot tell, and says why.
    case unknown
    /// Someone should look at it soon; clients are still served.
    case degraded
    /// Someone has to act now.
    case critical

    /// Orders verdicts from good to bad: ok, unknown, degraded, critical.
    public static func < (left: Verdict, right: Verdict) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .ok: 0
        case .unknown: 1
        case .degraded: 2
        case .critical: 3
        }
    }
}
