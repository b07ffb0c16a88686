// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

/// The polls of a cluster, and its limits.
extension Setting {
    static let polls = [
        time("health-check-interval", "time between two polls (default: 5s)") { $0.interval = $1 },
        time("metrics-interval", "time between two readings of the members' metrics (default: with each poll)") {
            $0.metricsInterval = $1
        },
        time("hash-interval", "time between two comparisons of the members' data; needs root (default: never)") {
            $0.hashInterval = $1
        },
        Setting(
            "probe-key",
            .value("KEY"),
            "key that the probes read; it need not exist (default: etcd-monitor)",
            .cluster { $0.options.probeKey = Key(try filled($1)) }
        ),
        place("member-endpoint", "reaches this member at this endpoint instead of the advertised one") {
            $0.endpoints[$1] = $2
        },
        place("metrics-endpoint", "this member's metrics endpoint, see etcd's --listen-metrics-urls") {
            $0.metricsEndpoints[$1] = $2
        },
        Setting(
            "history-file",
            .value("FILE"),
            "file that keeps the figures over restarts; with several clusters, one FILE-NAME each",
            .cluster { $0.historyFile = try filled($1) }
        ),
        Setting(
            "history-postgres",
            .secret,
            "stores the history in the PostgreSQL database of the connection string in this file",
            .clusterSecret { $0.historyPostgres = $1 }
        ),
        Setting(
            "history-retention",
            .value("TIME"),
            "how long the database keeps the history, such as 2160h (default: 720h, 30 days; 0: for ever)",
            .cluster { cluster, text in
                cluster.historyRetention = text == "0" ? nil : try Duration(text: text)
            }
        ),
    ]

    static let limits = [
        limit("max-latency-ms", "highest latency of a read, in milliseconds (default: 100)") {
            $0.maximumReadSeconds = $1 / 1000
        },
        limit("max-db-size-mb", "largest database of a member, in MiB (default: only the quota)") {
            $0.maximumDatabaseBytes = $1 * 1_048_576
        },
        limit("min-available-nodes", "lowest number of working voters (default: only the majority)") {
            $0.minimumVoters = Int($1)
        },
        limit("max-leader-changes", "most leader changes in 15 minutes (default: 3, or the number of voters)") {
            $0.maximumLeaderChanges = Int($1)
        },
    ]

    /// Thresholds without a flag, by their names in ``Thresholds``.
    static let thresholds = Setting(
        "thresholds",
        .object,
        "",
        .cluster { cluster, text in
            do {
                let changes = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
                let own = try JSONEncoder().encode(cluster.options.thresholds)
                let all = try JSONDecoder().decode([String: JSONValue].self, from: own).merging(changes) { $1 }
                cluster.options.thresholds = try JSONDecoder().decode(Thresholds.self, from: JSONEncoder().encode(all))
            } catch {
                throw UsageError(JSONValue.reason(of: error))
            }
        }
    )

    private static func time(
        _ name: String,
        _ help: String,
        _ change: @escaping @Sendable (inout ClusterMonitor.Options, Duration) -> Void
    ) -> Setting {
        let target = Target.cluster { cluster, text in
            let (time, least) = (try Duration(text: text), ClusterMonitor.Options.shortestInterval)
            if time < least { throw UsageError("\(text) is less than \(Int(least / .milliseconds(1)))ms") }
            change(&cluster.options, time)
        }
        return Setting(name, .value("TIME"), help, target)
    }

    /// An endpoint of one member.
    private static func place(
        _ name: String,
        _ help: String,
        _ change: @escaping @Sendable (inout ClusterMonitor.Options, String, Endpoint) -> Void
    ) -> Setting {
        let target = Target.cluster { cluster, text in
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw UsageError("write MEMBER=HOST:PORT, with a name or an ID") }
            change(&cluster.options, parts[0], try Endpoint(parts[1]))
        }
        return Setting(name, .list("MEMBER=HOST:PORT"), help + "; may be repeated", target)
    }

    private static func limit(
        _ name: String,
        _ help: String,
        _ change: @escaping @Sendable (inout Thresholds, Double) -> Void
    ) -> Setting {
        let target = Target.cluster { cluster, text in
            guard let number = Double(text), (1...1e9).contains(number) else {
                throw UsageError("\"\(text)\" is not a number from 1 to 1000000000")
            }
            change(&cluster.options.thresholds, number)
        }
        return Setting(name, .value("N"), help, target)
    }
}
