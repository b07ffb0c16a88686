// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdLogging
import EtcdPatterns
import EtcdServiceLifecycle
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

func runServices(
    client: EtcdClient,
    config: ConfigManager,
    flags: FeatureFlags,
    balancer: LoadBalancer,
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
        EtcdService.flags(flags),
        EtcdService.balancer(balancer),
        EtcdService.election(election) { term in
            try await term.guarded(then: [.put("scheduler/state", "ready")])
        },
        EtcdService("report") { try await report.run() },
        server,
        EtcdService.registration(of: instance, in: registry, propagation: .seconds(2)),
    ]
    var configuration = ServiceGroupConfiguration(
        services: services.map { .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) },
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: logger
    )
    configuration.maximumGracefulShutdownDuration = .seconds(25)
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

func registerWithOptions(ports: AsyncStream<Int>, registry: ServiceRegistry, logger: Logger) -> EtcdService {
    let registration = EtcdService.registration(
        in: registry,
        timeToLive: .seconds(10),
        check: .http("/health"),
        propagation: .seconds(2),
        onState: { logger.log($0) },
        onDrain: { logger.info("draining") }
    ) {
        let port = await ports.first { _ in true } ?? 0
        return ServiceInstance(service: "orders", id: "orders-1", address: "10.0.0.7", port: port)
    }
    return registration
}

func checkSetup(of client: EtcdClient, logger: Logger) async throws {
    do {
        _ = try await client.with(waitsForConnection: false).get("config/orders")
    } catch {
        let setup: [EtcdError.Code] = [.misconfigured, .authenticationFailed, .permissionDenied]
        if setup.contains(error.code) { throw error }
        logger.warning("etcd does not answer, and the service starts without it: \(error)")
    }
}
