// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdLogging
import EtcdMetrics
import EtcdMonitorKit
import EtcdMonitoring
import EtcdPatterns
import EtcdServiceLifecycle
import EtcdTracing
import Logging
import ServiceLifecycle

func logEvents(endpoints: String) async throws {
    let logger = Logger(label: "orders")
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.logEvents(to: logger)
    let client = try EtcdClient(configuration)

    let election = try LeaderElection("scheduler", candidate: "node-1", on: .client(client)) { event in
        logger.log(event)
    }
    try await election.run { _ in }
}

func logPatterns(
    client: EtcdClient,
    registry: ServiceRegistry,
    instance: ServiceInstance,
    logger: Logger
) async throws {
    let config = try await ConfigManager("config/orders", client: client, onEvent: { logger.log($0) })
    let flags = try await FeatureFlags("flags", client: client)
    let flagErrors = EtcdService("flag errors") {
        for try await error in flags.rejections { logger.log(error) }
    }
    let registration = EtcdService.registration(of: instance, in: registry, onState: { logger.log($0) })
    let services: [any Service] = [EtcdService.configuration(config), flagErrors, registration]
    try await ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: logger)).run()
}

func logEventsAndRecordMetrics(endpoints: String, logger: Logger) throws -> EtcdClient {
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.logEvents(to: logger)
    configuration.recordMetrics()
    let client = try EtcdClient(configuration)
    return client
}

func recordMetrics(endpoints: String, balancer: LoadBalancer) async throws {
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.recordMetrics()
    let client = try EtcdClient(configuration)
    let balancerMetrics = EtcdService("balancer metrics") { await balancer.recordMetrics(every: .seconds(10)) }
    try await balancerMetrics.run()
    await client.close()
}

func traceCalls(endpoints: String) throws -> EtcdClient {
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.traceCalls()
    let client = try EtcdClient(configuration)
    return client
}

func monitor(client: EtcdClient, logger: Logger) throws -> any Service {
    let monitor = try ClusterMonitor(client)
    let service = EtcdService.monitor(monitor, logger: logger)
    return service
}
