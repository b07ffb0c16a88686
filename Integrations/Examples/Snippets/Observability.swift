// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdLogging
import EtcdMetrics
import EtcdMonitorKit
import EtcdMonitoring
import EtcdPatterns
import EtcdServiceLifecycle
import Logging
import ServiceLifecycle

func logEvents(endpoints: String) async throws {
    let logger = Logger(label: "orders")
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.logEvents(to: logger)
    let client = try EtcdClient(configuration)

    var election = try LeaderElection("scheduler", candidate: "node-1", client: client)
    election.onEvent = { event in logger.log(event) }
    try await election.run { _ in }
}

func recordMetrics(endpoints: String, balancer: LoadBalancer) async throws {
    var configuration = try EtcdClient.Configuration(endpoints: endpoints)
    configuration.recordMetrics()
    let client = try EtcdClient(configuration)
    let balancerMetrics = EtcdService("balancer metrics") { await balancer.recordMetrics(every: .seconds(10)) }
    try await balancerMetrics.run()
    await client.close()
}

func monitor(client: EtcdClient, logger: Logger) throws -> any Service {
    let monitor = try ClusterMonitor(client)
    let service = EtcdService.monitor(monitor, logger: logger)
    return service
}
