// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension ClusterMonitor {
    /// How a monitor looks at its cluster.
    public struct Options: Sendable {
        /// The name of the cluster, for people, the API and the exporter.
        public var name = "etcd"
        /// How often the members are asked.
        public var interval: Duration = .seconds(5)
        /// How often the members' metrics are fetched; at most as often as they are asked.
        public var metricsInterval: Duration = .zero
        /// How long one question may take.
        public var timeout: Duration = .seconds(2)
        /// From which figures on something is a finding.
        public var thresholds = Thresholds()
        /// How often the members' data are compared by a hash; nil for never.
        ///
        /// Each member reads its whole database for it, and the user `root` is needed where authentication is on.
        public var hashInterval: Duration?
        /// The key that is read, which need not exist; the monitor's user must be allowed to read it.
        public var probeKey: Key = "etcd-monitor"
        /// Where members are reached if not where they advertise themselves, by name or by ID in hexadecimal digits.
        public var endpoints: [String: Endpoint] = [:]
        /// Where members serve their metrics if not where they serve clients, by name or by ID in hexadecimal digits.
        public var metricsEndpoints: [String: Endpoint] = [:]
        /// How much history is kept in memory.
        public var history = MetricsHistory.Options()
        /// The path of a file that the history is appended to, and read from at the start; nil for none.
        ///
        /// It grows to 64 MiB and is then renamed, with `.1` at its end; three such files are kept.
        public var historyFile: String?
        /// Where else the history is kept.
        public var historySinks: [any HistorySink] = []
        /// How many snapshots wait for each sink that fails or is slow, before the oldest are dropped.
        public var historyBuffer = 720

        /// Makes options with everything at its default.
        public init() {}

        /// Refuses what cannot work.
        func checked() throws(EtcdError) -> Options {
            let times = [("interval", interval), ("timeout", timeout), ("hashInterval", hashInterval ?? .seconds(1))]
            for (name, time) in times where time <= .zero {
                throw EtcdError(.invalidArgument, "\(name) is \(time), but must be longer than zero")
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
