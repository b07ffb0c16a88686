// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdLogging
import EtcdPatterns
import EtcdTesting
import Foundation
import InMemoryLogging
import Logging
import Testing

@Suite("EtcdLogging", .timeLimit(.minutes(2)))
struct LoggingTests {
    private let handler = InMemoryLogHandler()

    private func logger(_ level: Logger.Level = .trace) -> Logger {
        var logger = Logger(label: "test") { [handler] _ in handler }
        logger.logLevel = level
        return logger
    }

    @Test("Logger.log gives each event of a client its level and its details")
    func clientEvents() throws {
        let endpoint = try Endpoint("10.0.0.1:2379")
        let error = anyEtcdError()
        let events: [(EtcdClient.Event, Logger.Level, Logger.Metadata)] = [
            (.connected(endpoint), .debug, ["etcd.endpoint": "10.0.0.1:2379"]),
            (.connectFailed(endpoint, error), .info, ["etcd.endpoint": "10.0.0.1:2379"]),
            (.suspected(endpoint, error), .warning, ["etcd.endpoint": "10.0.0.1:2379"]),
            (.endpointsChanged([endpoint]), .notice, ["etcd.endpoints": ["10.0.0.1:2379"]]),
            (.tokenRefreshed, .debug, [:]),
            (
                .revisionFell(from: 9, to: 3, endpoint), .error,
                ["etcd.from": "9", "etcd.to": "3", "etcd.endpoint": "10.0.0.1:2379"]
            ),
            (
                .holdLost("k", fencingToken: 7, reason: "keyDeleted"), .error,
                ["etcd.key": "k", "etcd.fencing_token": "7", "etcd.reason": "keyDeleted"]
            ),
            (.leadershipGained("e", fencingToken: 7), .notice, ["etcd.election": "e", "etcd.fencing_token": "7"]),
            (
                .leadershipLost("e", fencingToken: 7, reason: "released"), .notice,
                ["etcd.election": "e", "etcd.fencing_token": "7", "etcd.reason": "released"]
            ),
            (
                .leadershipLost("e", fencingToken: 7, reason: "deadline"), .warning,
                ["etcd.election": "e", "etcd.fencing_token": "7", "etcd.reason": "deadline"]
            ),
        ]
        for (event, _, _) in events { logger().log(event) }
        #expect(handler.entries.map(\.level) == events.map(\.1))
        #expect(handler.entries.map(\.metadata) == events.map(\.2))
        #expect(handler.entries[2].error is EtcdError)
    }

    @Test("Logger.log writes nothing below the level of the logger, and makes no details for it")
    func level() {
        struct Event: LoggableEvent {
            let asked = Record<Int>()
            var logLine: LogLine { LogLine(.debug, "details", asked.metadata) }
        }
        let event = Event()
        logger(.info).log(event)
        #expect(handler.entries.isEmpty)
        #expect(event.asked.all.isEmpty)
        logger(.debug).log(event)
        #expect(handler.entries.count == 1)
        #expect(event.asked.all == [1])
    }

    @Test("Configuration.logEvents logs connections and calls, beside another observer")
    func live() async throws {
        let seen = Record<String>()
        let logger = logger()
        try await withEtcd { configuration in
            configuration.onEvent = { _ in seen.add("event") }
            configuration.logEvents(to: logger)
        } _: { client, _ in
            try await client.put("k", "a secret value")
        }
        let connected = try #require(handler.entries.first { $0.message == "connected to etcd" })
        #expect(connected.level == .debug)
        let call = try #require(
            handler.entries.first {
                $0.message == "a call has ended" && $0.metadata["etcd.method"] == "/etcdserverpb.KV/Put"
            }
        )
        #expect(call.metadata["etcd.code"] == "ok")
        #expect(call.metadata["etcd.attempts"] == "1")
        #expect(!"\(handler.entries)".contains("secret"))
        #expect(seen.all.count >= handler.entries.count)
    }

    @Test("Configuration.logEvents logs a failure to connect once for each cause, and the connection after it at info")
    func connectionFailures() throws {
        let (first, second) = (try Endpoint("10.0.0.1:2379"), try Endpoint("10.0.0.2:2379"))
        let cause = anyEtcdError()
        let refused = #expect(throws: EtcdError.self) { try Endpoint("host:99999") }
        let other = try #require(refused)
        #expect(other.message != cause.message)
        var configuration = try EtcdClient.Configuration(endpoints: "10.0.0.1:2379,10.0.0.2:2379")
        configuration.logEvents(to: logger())
        let events: [(EtcdClient.Event, Logger.Level)] = [
            (.connected(first), .debug),
            (.disconnected(first, cause), .info),
            (.connectFailed(first, cause), .info),
            (.connectFailed(first, cause), .debug),
            (.connectFailed(second, cause), .info),
            (.connectFailed(first, other), .info),
            (.connectFailed(first, other), .debug),
            (.connected(first), .info),
            (.connected(first), .debug),
            (.connectFailed(second, cause), .debug),
            (.endpointsChanged([first]), .notice),
            (.connectFailed(second, cause), .info),
        ]
        for (event, _) in events { configuration.onEvent?(event) }
        #expect(handler.entries.map(\.level) == events.map(\.1))
    }

    @Test("a failure to connect because of a misconfiguration is an error")
    func misconfiguration() async throws {
        let logger = logger()
        try await withEtcdCluster { cluster in
            let address = try Endpoint(cluster.members[0].endpoint).description
            // Its scheme is that of TLS, which the server does not speak.
            let plain = address.replacing("http://", with: "")
            var configuration = try EtcdClient.Configuration(endpoints: "https://\(plain)")
            configuration.logEvents(to: logger)
            try await withEtcdClient(configuration) { client in
                await #expect { try await client.get("k") } throws: { ($0 as? EtcdError)?.code == .misconfigured }
            }
        }
        let failures = handler.entries.filter { $0.message == "an attempt to connect to etcd has failed" }
        #expect(failures.first?.level == .error)
    }

    @Test("Logger.log gives events of patterns their levels")
    func patternEvents() throws {
        let (error, slot) = (anyEtcdError(), Date(timeIntervalSince1970: 0))
        let instance = ServiceInstance(service: "api", id: "api-1", address: "h", port: 1)
        let logger = logger()
        logger.log(LeaderElection.Event.hindered(error))
        logger.log(LeaderTask.Event.completed(slot))
        logger.log(LeaderTask.Event.failed(slot, error))
        logger.log(ShardCoordinator.Event.joined)
        logger.log(HighAvailabilityCoordinator.Event.overran(.primary))
        logger.log(RegistrationState.superseded(by: instance))
        logger.log(ServiceEvent.removed(instance, .deregistered))
        logger.log(ServiceEvent.removed(instance, .expired))
        let levels: [Logger.Level] = [.warning, .info, .error, .notice, .error, .error, .info, .warning]
        #expect(handler.entries.map(\.level) == levels)
        #expect(handler.entries[1].metadata == ["etcd.slot": "1970-01-01T00:00:00Z"])
        #expect(handler.entries[6].metadata["etcd.instance"] == "api-1")
    }

    @Test("Logger.log logs a configuration's changes by their keys only, and rejections as errors")
    func configuration() async throws {
        let logger = logger()
        try await withEtcd { client, _ in
            let options = ConfigOptions { view in
                if view["port"] != nil, try view.int("port") < 1 {
                    throw ConfigError.invalid("port", "must be positive")
                }
            }
            try await client.withConfiguration("config/app", options: options) { config in
                var changes = config.changes().makeAsyncIterator()
                try await config.set("password", "hunter2")
                logger.log(try #require(await changes.next()))
                var rejections = config.rejections.makeAsyncIterator()
                try await client.put("config/app/port", "0")
                logger.log(try #require(await rejections.next()))
                try await client.put("config/app/port", "hunter2")
                logger.log(try #require(await rejections.next()))
            }
        }
        #expect(handler.entries.map(\.level) == [.info, .error, .error])
        #expect(handler.entries[1].metadata["etcd.code"] == "invalid")
        #expect(handler.entries[1].error is ConfigError)
        #expect(handler.entries[2].metadata["etcd.key"] == "port")
        #expect(handler.entries[2].metadata["etcd.code"] == "wrongType")
        #expect(handler.entries.first?.metadata["etcd.key"] == "password")
        #expect(!"\(handler.entries)".contains("hunter2"))
    }
}

extension Record<Int> {
    fileprivate var metadata: Logger.Metadata {
        add(1)
        return [:]
    }
}
