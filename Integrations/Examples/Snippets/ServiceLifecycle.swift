// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdServiceLifecycle
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

func runServices(
    client: EtcdClient,
    config: ConfigManager,
    election: LeaderElection,
    report: LeaderTask,
    server: some ApplicationProtocol,
    registry: ServiceRegistry,
    instance: ServiceInstance,
    logger: Logger
) async throws {
    let services: [any Service] = [
        EtcdService.client(client),
        EtcdService.configuration(config),
        EtcdService.election(election) { term in
            try await term.guarded(then: [.put("scheduler/state", "ready")])
        },
        EtcdService("report") { try await report.run() },
        server,
        EtcdService.registration(of: instance, in: registry),
    ]
    var configuration = ServiceGroupConfiguration(
        services: services.map { .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) },
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger
    )
    configuration.maximumGracefulShutdownDuration = .seconds(20)
    try await ServiceGroup(configuration: configuration).run()
}

func registerOnceTheServerListens(router: Router<BasicRequestContext>, registry: ServiceRegistry) -> [any Service] {
    let (ports, port) = AsyncStream.makeStream(of: Int.self)
    let server = Application(
        router: router,
        onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) }
    )
    let registration = EtcdService.registration(in: registry) {
        let port = await ports.first { _ in true } ?? 0
        return ServiceInstance(service: "orders", id: "orders-1", address: "10.0.0.7", port: port)
    }
    return [server, registration]
}
