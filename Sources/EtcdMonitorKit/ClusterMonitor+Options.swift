// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension ClusterMonitor {
    /// The settings of a monitor.
    public struct Options: Sendable {
        /// The name of the cluster, for people, the API and the exporter.
        public var name = "etcd"
        /// The shortest time between two polls.
        package static let shortestInterval = Duration.milliseconds(100)

        /// The time between two polls; at least 100 ms.
        public var interval: Duration = .seconds(5)
        /// The time between two readings of the members' metrics; at least the polling interval.
        ///
        /// In between, the monitor goes by the last reading. While calls to a member fail, metrics are read with each
        /// poll. Figures per second need two readings in a minute.
        public var metricsInterval: Duration = .zero
        /// The deadline of one probe.
        public var timeout: Duration = .seconds(2)
        /// The limits beyond which figures become findings.
        public var thresholds = Thresholds()
        /// The time between two comparisons of the members' data by hash, at least 100 ms; nil for never.
        ///
        /// Each member reads its whole database for a comparison. With authentication on, it needs the user `root`.
        public var hashInterval: Duration?
        /// The key that the probes read.
        ///
        /// It need not exist, but the monitor's user must be allowed to read it.
        public var probeKey: Key = "etcd-monitor"
        /// The endpoints of members that differ from the advertised ones, by name or by ID in hexadecimal digits.
        public var endpoints: [String: Endpoint] = [:]
        /// The metrics endpoints of members that differ from the client endpoints, by name or by ID in hexadecimal
        /// digits.
        public var metricsEndpoints: [String: Endpoint] = [:]
        /// The limits of the history in memory.
        public var history = MetricsHistory.Options()
        /// The path of a file to which the history is appended and from which it is restored; nil for none.
        ///
        /// At 64 MiB, the file is renamed with the suffix `.1`. Three such files are kept.
        public var historyFile: String?
        /// Further places that store the history.
        public var historySinks: [any HistorySink] = []
        /// The number of snapshots that wait for each failing or slow sink before the oldest are dropped.
        public var historyBuffer = 720

        /// Makes options with everything at its default.
        public init() {}

        /// Refuses invalid options.
        func checked() throws(EtcdError) -> Options {
            if timeout <= .zero {
                throw EtcdError(.invalidArgument, "timeout is \(timeout), but must be longer than zero")
            }
            let least = Self.shortestInterval
            for (name, time) in [("interval", interval), ("hashInterval", hashInterval ?? least)] where time < least {
                throw EtcdError(.invalidArgument, "\(name) is \(time), but must be at least \(least)")
            }
            if name.isEmpty { throw EtcdError(.invalidArgument, "the name of a cluster must not be empty") }
            var options = self
            options.interval = interval.bounded
            options.timeout = timeout.bounded
            options.metricsInterval = max(.zero, metricsInterval.bounded)
            options.hashInterval = hashInterval?.bounded
            return options
        }
    }
}
