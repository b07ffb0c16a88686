// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

/// Runs the commands of the program.
struct Program: Sendable {
    let settings: Settings
    let terminal: Terminal

    /// Runs the command, and returns the exit status.
    func run() async throws -> Int32 {
        switch settings.command {
        case .serve:
            try await serve()
            return 0
        case .once:
            let snapshots = try await look()
            try show(snapshots) { Report(snapshot: $0, terminal: terminal).text }
            return (snapshots.map(\.verdict).max() ?? .unknown).exitStatus
        case .doctor:
            let reports = try await look().map { ReadinessReport($0) }
            try show(reports) { terminal.text(of: $0) }
            return reports.map(\.outcome.exitStatus).max() ?? 2
        case .alive:
            return try await isAlive() ? 0 : 1
        case .testAlert(let channel):
            try await testAlert(channel)
            return 0
        case .benchmark:
            return try await benchmark()
        case .probeDisk(let folder):
            return try await probeDisk(folder)
        case .help, .version:
            return 0
        }
    }

    /// Checks whether the monitor that runs with these settings works.
    private func isAlive() async throws -> Bool {
        let certificate = settings.apiCertificate.map { chain in
            (chain: PEMSource.file(chain), key: settings.apiKey.map { PEMSource.file($0) })
        }
        let check = try HealthCheck(host: settings.apiHost, port: settings.apiPort, certificate: certificate)
        let failure = await check.failure()
        terminal.show(failure ?? "ok")
        return failure == nil
    }

    /// Prints results as text, or as JSON: a single object, or an array for several clusters.
    func show<Shown: Encodable>(_ results: [Shown], _ text: (Shown) -> String) throws {
        guard settings.isJSON else { return terminal.show(results.map(text).joined(separator: "\n\n")) }
        let bytes =
            if results.count == 1 { try JSONBody.bytes(of: results[0]) } else { try JSONBody.bytes(of: results) }
        terminal.show(String(decoding: bytes, as: UTF8.self))
    }

    /// Runs `body` with monitors that are not running yet; `change` adjusts the options of each.
    private func withMonitors<Result>(
        _ change: (inout ClusterMonitor.Options) -> Void = { _ in },
        _ body: ([ClusterMonitor]) async throws -> Result
    ) async throws -> Result {
        var clients: [EtcdClient] = []
        var monitors: [ClusterMonitor] = []
        let outcome: Swift.Result<Result, any Error>
        do {
            for cluster in settings.clusters {
                let client = try EtcdClient(cluster.clientConfiguration())
                clients.append(client)
                var options = cluster.options
                options.timeout = cluster.connection.commandTimeout
                options.historyFile = cluster.historyFile.map { path in
                    settings.clusters.count > 1 ? "\(path)-\(options.name)" : path
                }
                options.historySinks = cluster.historySinks
                change(&options)
                monitors.append(try ClusterMonitor(client, options))
            }
            outcome = .success(try await body(monitors))
        } catch {
            outcome = .failure(error)
        }
        for client in clients { await client.close() }
        return try outcome.get()
    }

    // MARK: Once

    /// Polls each cluster until there is enough to judge it, and returns the snapshots.
    func look() async throws -> [MonitorSnapshot] {
        let settle: @Sendable (inout ClusterMonitor.Options) -> Void = { options in
            options.interval = .seconds(1)
            options.metricsInterval = .zero
            options.historyFile = nil
            options.historySinks = []
        }
        return try await withMonitors(settle) { monitors in
            try await withThrowingTaskGroup(of: (Int, MonitorSnapshot)?.self) { group in
                for (index, monitor) in monitors.enumerated() {
                    group.addTask {
                        try await monitor.run()
                        return nil
                    }
                    group.addTask {
                        // A finding needs two polls, and a rate needs two readings.
                        for await snapshot in monitor.snapshots where snapshot.poll >= 3 { return (index, snapshot) }
                        return nil
                    }
                }
                var found: [Int: MonitorSnapshot] = [:]
                while found.count < monitors.count, let result = try await group.next() {
                    if let (index, snapshot) = result { found[index] = snapshot }
                }
                group.cancelAll()
                return found.sorted { $0.key < $1.key }.map(\.value)
            }
        }
    }

    // MARK: Serving

    /// Serves until a signal stops the program.
    func serve() async throws {
        for name in settings.alerts.channels.keys.sorted() { try settings.alerts.check(name) }
        try await withMonitors { monitors in
            let center = try alertCenter(monitors)
            // Made for each request, so that token files can be replaced while the program runs.
            let server = HTTPServer(settings.serverOptions) { [settings] request in
                await MonitorAPI(monitors, alerts: center, settings.apiOptions(for: request)).respond(to: request)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await center.run() }
                for monitor in monitors {
                    group.addTask { try await monitor.run() }
                    group.addTask { [terminal] in
                        var log = FindingLog(terminal, namesCluster: monitors.count > 1)
                        for await snapshot in monitor.snapshots where snapshot.poll > 0 {
                            for line in log.lines(for: snapshot) { terminal.show(line) }
                        }
                    }
                }
                group.addTask { [self] in
                    do throws(HTTPServerError) {
                        try await server.run { port in announce(port) }
                    } catch {
                        let isTaken = error.message.hasSuffix("Address already in use")
                        throw UsageHint(error.message + (isTaken ? "; choose another port with --api-port" : ""))
                    }
                }
                group.addTask { await EndSignal.wait() }
                // The signal or the first failure ends all tasks.
                try await group.next()
                group.cancelAll()
                do {
                    try await group.waitForAll()
                } catch is CancellationError {}
            }
        }
    }

    private func announce(_ port: UInt16) {
        let scheme = settings.apiCertificate == nil ? "http" : "https"
        terminal.show("Serving at \(scheme)://\(Endpoint.authority(settings.apiHost, port))/")
        if settings.isOpen { terminal.show("Everyone who can reach this address can read it; see --api-token-file") }
    }
}

/// A failure with a hint at the flags that may avoid it.
struct UsageHint: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension Verdict {
    /// The exit status, as of Nagios plug-ins.
    fileprivate var exitStatus: Int32 {
        switch self {
        case .ok: 0
        case .degraded: 1
        case .critical: 2
        case .unknown: 3
        }
    }
}

extension ReadinessReport.Outcome {
    fileprivate var exitStatus: Int32 {
        switch self {
        case .pass: 0
        case .unknown, .warn: 1
        case .fail: 2
        }
    }
}

extension Settings {
    /// Whether other machines can reach the API without a token.
    fileprivate var isOpen: Bool {
        let isLocal = apiHost.hasPrefix("127.") || apiHost == "localhost" || apiHost == "::1"
        return !isLocal && apiToken == nil && apiAdminTokens.isEmpty && apiClientAuthorities == nil
    }

    fileprivate func apiOptions(for request: HTTPRequest) -> MonitorAPI.Options {
        var options = MonitorAPI.Options()
        // Without this field there is no token to compare, as in the frequent checks of health.
        let mayHaveToken = request.headers["Authorization"] != nil
        func add(_ name: String, _ secret: Secret, _ role: APIToken.Role) {
            // An empty token grants nothing: a missing file does not leave the API open.
            let value = mayHaveToken ? (try? secret.value()) : nil
            options.tokens.append(APIToken(value ?? "", role: role, name: name))
        }
        if let apiToken { add("read", apiToken, .read) }
        for (name, secret) in apiAdminTokens.sorted(by: { $0.key < $1.key }) { add(name, secret, .admin) }
        options.corsOrigins = corsOrigins
        options.allowBenchmark = allowsBenchmark
        return options
    }

    fileprivate var serverOptions: HTTPServer.Options {
        var options = HTTPServer.Options()
        options.host = apiHost
        options.port = apiPort
        options.tls = apiCertificate.map { certificate in
            TLSServerConfiguration(
                certificateChain: .file(certificate),
                privateKey: apiKey.map { .file($0) },
                clientAuthorities: apiClientAuthorities.map { .file($0) }
            )
        }
        return options
    }
}
