// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// The text of `--help`.
    static let help = """
        Watches etcd clusters: serves a page, an API and metrics of what it sees.

        USAGE: etcd-monitor --endpoints=HOST:PORT[,HOST:PORT…] [--api-port=PORT] …
               etcd-monitor --demo
               etcd-monitor --run-benchmark --endpoints=HOST:PORT --benchmark-type=mixed --benchmark-ops=10000

        WHAT TO DO
        \(lines([
            ("--once", "prints one report, and exits by its verdict"),
            ("--doctor", "prints what stands between the clusters and production, and exits by it"),
            ("--alive", "checks whether the monitor with these settings works, and exits with 0 or 1"),
            ("--test-alert CHANNEL", "sends a trial alert to this channel, and prints the answer"),
            ("--run-benchmark", "measures how fast the cluster is, with keys of its own, which it deletes afterwards"),
            ("--fsync-probe FOLDER", "measures how fast the disk of this folder makes small writes durable"),
            ("--json", "prints JSON, with --once, --doctor, --run-benchmark and --fsync-probe"),
            ("--demo", "starts a private etcd of three members to watch or to measure, and removes it at the end"),
            ("--config FILE", "reads settings from a JSON file; see Docs/Monitoring.md and Docs/etcd-monitor.json"),
            ("--version", "prints the version"),
            ("--help", "prints this"),
        ]))

        \(Setting.groups.map { "\($0.title)\n\(lines($0.settings.map { ($0.usage, $0.help) }))" }
            .joined(separator: "\n\n"))

        Each value may also follow its flag as the next argument. Each of the flags below CLUSTERS is also an environment
        variable, such as ETCD_MONITOR_API_PORT, and a key of the file, such as "apiPort". A flag wins over the
        environment, and that over the file. SIGTERM and SIGINT end it; a second one ends it at once.

        EXIT STATUS
          0    with --once: ok              with --doctor: ready      otherwise: all is well, or it was asked to end
          1    with --once: degraded        with --doctor: with warnings      with --alive: it does not work
          2    with --once: critical        with --doctor: not ready
          3    with --once: unknown
          10   with --run-benchmark: --slo-p99-ms is missed
          11   … --slo-min-ops is missed
          12   … --slo-max-error-ratio is missed
          13   … a limit of --benchmark-preset is missed
          14   … a figure is worse than in --compare by more than --tolerance
          15   … it ended early: no room, or no operation succeeded for ten seconds
          16   with --fsync-probe: the disk is too slow for etcd
          64   the arguments, the environment or the file make no sense
          70   it cannot do its work, for example because its port is taken, the trial alert was not delivered, or the
               benchmark's keys are there already or could not be deleted
          130  with --run-benchmark and --fsync-probe: SIGINT has ended it; 143: SIGTERM
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
    /// The flag with what follows it.
    fileprivate var usage: String {
        let flag = flag ?? ""
        return switch kind {
        case .value(let placeholder), .list(let placeholder): "\(flag) \(placeholder)"
        case .secret: "\(flag) FILE"
        case .toggle, .object: flag
        }
    }
}
