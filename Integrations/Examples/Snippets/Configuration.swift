// SPDX-License-Identifier: Apache-2.0

import Configuration
import EtcdConfiguration
import EtcdKit
import EtcdOpenFeature
import EtcdPatterns
import Logging

func configuration(client: EtcdClient, logger: Logger) async throws {
    let etcd = try await ConfigManager("config/orders", client: client)
    let config = ConfigReader(
        providers: [
            EnvironmentVariablesProvider(), EtcdConfigProvider(etcd, secrets: .specific(["database/password"])),
        ]
    )
    let port = config.int(forKey: "database.port", default: 5432)
    logger.info("the port is \(port)")
    try await config.watchInt(forKey: "database.port", default: 5432) { ports in
        for await port in ports { logger.info("the port is \(port) now") }
    }
}

func startTogether(client: EtcdClient) async throws -> (ConfigManager, FeatureFlags) {
    async let startingConfig = ConfigManager("config/orders", client: client)
    async let startingFlags = FeatureFlags("flags", client: client)
    let (config, flags) = try await (startingConfig, startingFlags)
    return (config, flags)
}

func openFeature(client: EtcdClient, logger: Logger) async throws {
    let flags = try await FeatureFlags("flags", client: client)
    let features = OpenFeatureClient(flags, context: FlagContext(attributes: ["region": "eu"]))
    let details = features.details("new-checkout", default: false, context: FlagContext("user-7"))
    logger.info("\(details.flagKey) is \(details.value): \(details.reason) \(details.errorCode ?? "")")
}
