// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
]

// etcd-kit
let etcdKit = Target.Dependency.product(name: "EtcdKit", package: "etcd-kit")
let etcdPatterns = Target.Dependency.product(name: "EtcdPatterns", package: "etcd-kit")
let etcdMonitorKit = Target.Dependency.product(name: "EtcdMonitorKit", package: "etcd-kit")
let etcdTesting = Target.Dependency.product(name: "EtcdTesting", package: "etcd-kit")
// Other packages
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let grpcCore = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
// The smallest product with the name resolvers; on Linux, it has nothing else.
let grpcResolvers = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2TransportServices",
    package: "grpc-swift-nio-transport"
)
// Brings swift-certificates and swift-crypto, which take as long to build as all the rest.
let grpcTransport = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2Posix",
    package: "grpc-swift-nio-transport",
    condition: .when(traits: ["GRPCTransport"])
)
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
// For the tests
let configurationTesting = Target.Dependency.product(name: "ConfigurationTesting", package: "swift-configuration")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let inMemoryLogging = Target.Dependency.product(name: "InMemoryLogging", package: "swift-log")
let inMemoryTracing = Target.Dependency.product(name: "InMemoryTracing", package: "swift-distributed-tracing")
let metricsTestKit = Target.Dependency.product(name: "MetricsTestKit", package: "swift-metrics")

let libraries = [
    "EtcdServiceLifecycle", "EtcdLogging", "EtcdMetrics", "EtcdTracing", "EtcdMonitoring", "EtcdConfiguration",
    "EtcdOpenFeature",
    "EtcdGRPC", "EtcdHTTPClient", "EtcdHummingbird",
]

let package = Package(
    name: "etcd-kit-integrations",
    platforms: [.macOS(.v15)],
    products: libraries.map { .library(name: $0, targets: [$0]) } + [
        .executable(name: "greeting-service", targets: ["GreetingService"])
    ],
    traits: [
        .trait(
            name: "GRPCTransport",
            description: "Compiles the examples and tests that need a transport of grpc-swift-2."
        )
    ],
    dependencies: [
        .package(name: "etcd-kit", path: ".."),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Clients, registrations, elections and the like as services of a group.
        .target(
            name: "EtcdServiceLifecycle",
            dependencies: [etcdKit, etcdPatterns, serviceLifecycle],
            swiftSettings: settings
        ),
        // Events in the log.
        .target(name: "EtcdLogging", dependencies: [etcdKit, etcdPatterns, logging], swiftSettings: settings),
        // Events as metrics.
        .target(name: "EtcdMetrics", dependencies: [etcdKit, etcdPatterns, coreMetrics], swiftSettings: settings),
        // Spans of calls.
        .target(name: "EtcdTracing", dependencies: [etcdKit, tracing], swiftSettings: settings),
        // The monitor as a service, and its findings in the log.
        .target(
            name: "EtcdMonitoring",
            dependencies: [etcdMonitorKit, "EtcdServiceLifecycle", "EtcdLogging", logging],
            swiftSettings: settings
        ),
        // A provider for swift-configuration.
        .target(
            name: "EtcdConfiguration",
            dependencies: [etcdKit, etcdPatterns, configuration],
            swiftSettings: settings
        ),
        // Flags in the terms of OpenFeature.
        .target(name: "EtcdOpenFeature", dependencies: [etcdPatterns], swiftSettings: settings),
        // A name resolver for grpc-swift-2.
        .target(name: "EtcdGRPC", dependencies: [etcdPatterns, grpcCore, grpcResolvers], swiftSettings: settings),
        // Requests of AsyncHTTPClient through a balancer.
        .target(
            name: "EtcdHTTPClient",
            dependencies: [etcdPatterns, asyncHTTPClient, logging, nioCore, nioHTTP1, nioPosix],
            swiftSettings: settings
        ),
        // Middleware for Hummingbird 2.
        .target(
            name: "EtcdHummingbird",
            dependencies: [etcdKit, etcdPatterns, etcdMonitorKit, hummingbird, httpTypes, nioCore, serviceLifecycle],
            swiftSettings: settings
        ),
        // A whole service.
        .executableTarget(
            name: "GreetingService",
            dependencies: [
                etcdKit, etcdPatterns, etcdMonitorKit, "EtcdServiceLifecycle", "EtcdLogging", "EtcdMonitoring",
                "EtcdHTTPClient", "EtcdHummingbird", asyncHTTPClient, hummingbird, logging, nioCore, serviceLifecycle,
                unixSignals,
            ],
            path: "Examples/GreetingService",
            swiftSettings: settings
        ),
        // The examples of README.md.
        .target(
            name: "Snippets",
            dependencies: [
                etcdKit, etcdPatterns, etcdMonitorKit, asyncHTTPClient, configuration, grpcCore, grpcTransport,
                httpTypes, hummingbird, logging, serviceLifecycle, unixSignals,
            ] + libraries.map { .target(name: $0) },
            path: "Examples/Snippets",
            swiftSettings: settings
        ),
        .testTarget(
            name: "IntegrationsTests",
            dependencies: [
                etcdKit, etcdPatterns, etcdMonitorKit, etcdTesting, asyncHTTPClient, configuration,
                configurationTesting, coreMetrics, grpcCore, grpcTransport, hummingbird, hummingbirdTesting,
                httpTypes, inMemoryLogging, inMemoryTracing, logging, metricsTestKit, nioCore, nioHTTP1, nioPosix,
                serviceLifecycle, tracing, "GreetingService",
            ] + libraries.map { .target(name: $0) },
            swiftSettings: settings
        ),
    ]
)
