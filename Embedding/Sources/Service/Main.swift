// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

/// The monitor as one of the services of a process: it polls until the process is to end.
struct MonitorService: Service {
    let monitor: ClusterMonitor

    func run() async throws {
        try await cancelWhenGracefulShutdown { try await monitor.run() }
    }
}

/// A service that keeps its greeting in etcd, and watches over that etcd: `/greeting`, and `/monitor/` for people and for
/// Prometheus.
@main
struct GreetingService {
    static func main() async throws {
        let environment = Environment()
        let client = try EtcdClient(endpoints: environment.get("ETCD_ENDPOINTS") ?? "127.0.0.1:2379")
        let monitor = try ClusterMonitor(client)

        let router = Router()
        router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: "/monitor"))
        router.get("greeting") { _, _ in
            try await client.get("greeting").map { "\($0.value)" } ?? "hello"
        }
        let port = environment.get("PORT", as: Int.self) ?? 8080
        let server = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port))
        )

        // Services end in the reverse order: the server first, then the monitor that it shows.
        var configuration = ServiceGroupConfiguration(
            services: [MonitorService(monitor: monitor), server],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "greeting-service")
        )
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
        await client.close()
    }
}
