// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// The effect of a threshold: with its default a cluster ends with one set of findings, and with another value not.
struct Decision: CustomTestStringConvertible, Sendable {
    let threshold: String
    let value: Double
    /// The finding that the threshold decides on, with its verdict; nil for none.
    let byDefault: String?
    let changed: String?
    /// Other settings, in both cases.
    var base: @Sendable (inout Thresholds) -> Void = { _ in }
    let life: @Sendable (inout SimulatedCluster) -> Assessment

    var testDescription: String { threshold }

    init(
        _ threshold: String,
        _ value: Double,
        _ byDefault: String?,
        _ changed: String?,
        with base: @escaping @Sendable (inout Thresholds) -> Void = { _ in },
        life: @escaping @Sendable (inout SimulatedCluster) -> Assessment
    ) {
        (self.threshold, self.value, self.byDefault, self.changed) = (threshold, value, byDefault, changed)
        (self.base, self.life) = (base, life)
    }

    /// Lets 10 polls pass, sets something, and polls again.
    static func setting(
        _ times: Int = 3,
        after seconds: Double = 1,
        _ change: @escaping @Sendable (inout SimulatedCluster) -> Void
    ) -> @Sendable (inout SimulatedCluster) -> Assessment {
        { cluster in
            cluster.poll(times: 10)
            change(&cluster)
            return cluster.poll(times: times, after: seconds)
        }
    }

    /// Lets the leader change again and again.
    static func moves(_ times: Int, after seconds: Double) -> @Sendable (inout SimulatedCluster) -> Assessment {
        { cluster in
            cluster.poll(times: 10)
            for move in 0..<times {
                cluster.move(to: [0xa2, 0xa1][move % 2])
                cluster.poll(after: seconds)
            }
            return cluster.poll()
        }
    }

    /// Lets terms go by without a leader.
    static func elections(_ times: Int, after seconds: Double) -> @Sendable (inout SimulatedCluster) -> Assessment {
        { cluster in
            cluster.poll(times: 10)
            for _ in 0..<times {
                cluster.term += 1
                cluster.poll(after: seconds)
            }
            return cluster.poll()
        }
    }

    static let late = ProbeFailure(.timedOut, "no answer in 2 s")

    static let all = cluster + members + storage + load
}
