// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// The text of `--help`.
    static let help = """
        Monitors etcd clusters: serves a status page, an API and metrics.

        USAGE: etcd-monitor --endpoints=HOST:PORT[,HOST:PORT…] [--api-port=PORT] …
               etcd-monitor --demo
               etcd-monitor --run-benchmark --endpoints=HOST:PORT --benchmark-type=mixed --benchmark-ops=10000

        COMMANDS
        \(lines([
            ("--once", "prints one report, and exits with a status for its verdict"),
            ("--doctor", "prints a checklist for production, and exits with a status for its result"),
            ("--alive", "checks whether the monitor with these settings works, and exits with 0 or 1"),
            ("--test-alert CHANNEL", "sends a test alert to this channel, and prints the answer"),
            ("--run-benchmark", "measures the speed of the cluster, with keys that it deletes afterwards"),
            ("--fsync-probe FOLDER", "measures how fast the disk of this folder syncs small writes"),
            ("--json", "prints JSON, with --once, --doctor, --run-benchmark and --fsync-probe"),
            ("--demo", "starts a private three-member etcd to monitor or measure, and removes it at the end"),
            ("--config FILE", "reads settings from a JSON file; see Docs/Monitoring.md and Docs/etcd-monitor.json"),
            ("--version", "prints the version"),
            ("--help", "prints this"),
        ]))

        \(Setting.groups.map { "\($0.title)\n\(lines($0.settings.map { ($0.usage, $0.help) }))" }
            .joined(separator: "\n\n"))

        A value may also follow its flag as the next argument. Each flag from CLUSTERS on is also an environment
        variable, such as ETCD_MONITOR_API_PORT, and a key of the file, such as "apiPort". A flag overrides the
        environment, and the environment overrides the file. SIGTERM and SIGINT stop the program; a second signal stops
        it at once.

        EXIT STATUS
          0    with --once: ok          with --doctor: ready          otherwise: success, or a signal stopped it
          1    with --once: degraded    with --doctor: warnings       with --alive: the monitor does not work
          2    with --once: critical    with --doctor: not ready
          3    with --once: unknown
          10   with --run-benchmark: --slo-p99-ms is missed
          11   with --run-benchmark: --slo-min-ops is missed
          12   with --run-benchmark: --slo-max-error-ratio is missed
          13   with --run-benchmark: a limit of --benchmark-preset is missed
          14   with --run-benchmark: a figure is worse than in --compare by more than --tolerance
          15   with --run-benchmark: it ended early, because there is no room or nothing succeeded for 10 s
          16   with --fsync-probe: the disk is too slow for etcd
          64   the arguments, the environment or the file are invalid
          70   it cannot work, for example because its port is in use, the test alert was not delivered, or the keys
               of the benchmark already exist or could not be deleted
          130  with --run-benchmark and --fsync-probe: SIGINT stopped it; 143: SIGTERM
        """

    private static func lines(_ rows: [(usage: String, help: String)]) -> String {
        rows.map { usage, help in
            let padding =
                usage.count <= 22
                ? String(repeating: " ", count: 24 - usage.count) : "\n" + String(repeating: " ", count: 26)
            return "  \(usage)\(padding)\(help)"
        }
        .joined(separator: "\n")
    }
}

extension Setting {
    /// The flag with its placeholder.
    fileprivate var usage: String {
        let flag = flag ?? ""
        return switch kind {
        case .value(let placeholder), .list(let placeholder): "\(flag) \(placeholder)"
        case .secret: "\(flag) FILE"
        case .toggle, .object: flag
        }
    }
}
