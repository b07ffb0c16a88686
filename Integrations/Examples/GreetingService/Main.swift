// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdHTTPClient
import EtcdHummingbird
import EtcdKit
import EtcdLogging
import EtcdMonitorKit
import EtcdMonitoring
import EtcdPatterns
import EtcdServiceLifecycle
import Hummingbird
import Logging
import ServiceLifecycle
import UnixSignals

/// Greets people from several processes, which share their configuration, flags, counter and leader through etcd.
@main
struct GreetingService {
    static func main() async throws {
        let environment = Environment()
        let id = environment.get("NODE_ID") ?? "greeter-1"
        let port = environment.get("PORT", as: Int.self) ?? 8080
        let logger = Logger(label: "greeting-service \(id)")

        var settings = try EtcdClient.Configuration(endpoints: environment.get("ETCD_ENDPOINTS") ?? "127.0.0.1:2379")
        settings.logEvents(to: logger)
        let client = try EtcdClient(settings)
        let http = HTTPClient(configuration: .forLoadBalancer)

        // If etcd is away, each starts after five seconds, with defaults or without instances.
        let registry = try ServiceRegistry(client)
        async let startingConfig = ConfigManager("greeting/config", client: client, onEvent: { logger.log($0) })
        async let startingFlags = FeatureFlags("greeting/flags", client: client)
        async let startingBalancer = registry.loadBalancer(for: "greeter")
        let (config, flags, balancer) = try await (startingConfig, startingFlags, startingBalancer)
        let election = try LeaderElection(
            "greeting/leader",
            candidate: "127.0.0.1:\(port)",
            on: .client(client, timeToLive: .seconds(5))
        )
        let lock = try DistributedLock("greeting/lock", on: .client(client, timeToLive: .seconds(5)))
        let report = try LeaderTask("greeting/report", on: election, every: .seconds(1)) { event in
            logger.log(event)
        } _: { run in
            try await run.guarded(then: [.put("greeting/reported-by", Value(id))])
        }
        let monitor = try ClusterMonitor(client)

        let router = Router(context: GreetingContext.self)
        router.add(
            middleware: FeatureFlagsMiddleware(flags) { request, _ in
                FlagContext(request.uri.queryParameters["name"].map { String($0) })
            }
        )
        router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: "/monitor"))
        router.get("health") { _, _ in "ok" }
        router.get("hello") { request, context in
            let name = request.uri.queryParameters["name"].map { String($0) } ?? "world"
            let text = "\(config.string("greeting", default: "Hello")), \(name)!"
            return context.flags.isEnabled("shout") ? text.uppercased() : text
        }
        // The greeting of any instance.
        router.get("relay") { _, _ in
            let response = try await balancer.execute(
                HTTPClientRequest(url: "http://greeter/hello?name=relay"),
                with: http
            )
            return String(buffer: try await response.body.collect(upTo: 1 << 20))
        }
        // Counts, in one process at a time.
        router.post("count") { _, _ in
            try await lock.withLock(timeout: .seconds(10)) { grant in
                let count = try await client.get("greeting/count").flatMap { Int("\($0.value)") } ?? 0
                try await grant.guarded(then: [.put("greeting/count", Value("\(count + 1)"))])
                return "\(count + 1)"
            }
        }
        router.get("leader") { _, _ in
            try await election.leader().map { "\($0.value)" } ?? "nobody"
        }
        router.group("admin")
            .add(middleware: LeaderOnlyMiddleware(election) { leader in "http://\(leader.value)" })
            .get("report") { _, _ in "\(id) leads" }

        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        let server = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { _ in isListening.yield() },
            logger: logger
        )
        let registration = EtcdService.registration(
            in: registry,
            timeToLive: .seconds(5),
            check: .http("/health"),
            propagation: .seconds(1),
            onState: { logger.log($0) },
            onDrain: { logger.info("draining") }
        ) {
            for await _ in listening { break }
            return ServiceInstance(service: "greeter", id: id, address: "127.0.0.1", port: port)
        }

        // Services end in the reverse order, one after the other.
        let services: [any Service] = [
            EtcdService.client(client),
            EtcdService.closing("http client") { try? await http.shutdown() },
            EtcdService.configuration(config),
            EtcdService.flags(flags),
            EtcdService.balancer(balancer),
            EtcdService.monitor(monitor, logger: logger),
            EtcdService("report") { try await report.run() },
            server,
            registration,
        ]
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0, failureTerminationBehavior: .gracefullyShutdownGroup) },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        group.maximumGracefulShutdownDuration = .seconds(20)
        try await ServiceGroup(configuration: group).run()
    }
}

/// A request with the flags of its user.
struct GreetingContext: FlagsRequestContext {
    var coreContext: CoreRequestContextStorage
    var flags = RequestFlags()

    init(source: Source) { coreContext = .init(source: source) }
}
