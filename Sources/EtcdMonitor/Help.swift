// SPDX-License-Identifier: Apache-2.0

extension Settings {
    /// The text of `--help`.
    static let help = """
        Watches etcd clusters: serves a page, an API and metrics of what it sees.

        USAGE: etcd-monitor --endpoints=HOST:PORT[,HOST:PORT…] [--api-port=PORT] …
               etcd-monitor --demo

        WHAT TO DO
        \(lines([
            ("--once", "prints one report, and exits by its verdict"),
            ("--doctor", "prints what stands between the clusters and production, and exits by it"),
            ("--alive", "checks whether the monitor with these settings works, and exits with 0 or 1"),
            ("--test-alert CHANNEL", "sends a trial alert to this channel, and prints the answer"),
            ("--json", "prints JSON, with --once and --doctor"),
            ("--demo", "starts a private etcd of three members, watches it, and removes it at the end"),
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
          0   with --once: ok              with --doctor: ready      otherwise: it was asked to end
          1   with --once: degraded        with --doctor: with warnings      with --alive: it does not work
          2   with --once: critical        with --doctor: not ready
          3   with --once: unknown
          64  the arguments, the environment or the file make no sense
          70  it cannot do its work, for example because its port is taken, or the trial alert was not delivered
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
