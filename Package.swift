// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),  // SE-0335
    .enableUpcomingFeature("InternalImportsByDefault"),  // SE-0409
    .enableUpcomingFeature("MemberImportVisibility"),  // SE-0444
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),  // SE-0461
]

let package = Package(
    name: "etcd-kit",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "EtcdKit", targets: ["EtcdKit"]),
        .library(name: "EtcdPatterns", targets: ["EtcdPatterns"]),
        .library(name: "EtcdTesting", targets: ["EtcdTesting"]),
        .library(name: "EtcdMonitorKit", targets: ["EtcdMonitorKit"]),
        .executable(name: "examples", targets: ["ExamplesRunner"]),
        .executable(name: "etcd-monitor", targets: ["EtcdMonitor"]),
    ],
    dependencies: [],
    targets: [
        // The C libraries, from the system.
        .systemLibrary(
            name: "CNghttp2",
            pkgConfig: "libnghttp2",
            providers: [.apt(["libnghttp2-dev"]), .brew(["libnghttp2"])]
        ),
        .systemLibrary(
            name: "COpenSSL",
            pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]
        ),
        // The resolver of the C library, for DNS SRV records.
        .systemLibrary(name: "CResolver"),
        // The client.
        .target(name: "EtcdKit", dependencies: ["CNghttp2", "COpenSSL", "CResolver"], swiftSettings: settings),
        // The coordination patterns, on the client.
        .target(name: "EtcdPatterns", dependencies: ["EtcdKit"], swiftSettings: settings),
        // Throwaway etcd clusters and a fault proxy.
        .target(name: "EtcdTesting", dependencies: ["EtcdKit", "COpenSSL"], swiftSettings: settings),
        // The monitor, on the client; and the benchmark, which takes locks.
        .target(name: "EtcdMonitorKit", dependencies: ["EtcdKit", "EtcdPatterns"], swiftSettings: settings),
        // The flags that the programs share.
        .target(name: "CommandLineFlags", dependencies: ["EtcdKit"], swiftSettings: settings),
        // The `examples` program.
        .executableTarget(
            name: "ExamplesRunner",
            dependencies: ["EtcdKit", "EtcdPatterns", "EtcdTesting", "CommandLineFlags"],
            swiftSettings: settings
        ),
        // The `etcd-monitor` program.
        .executableTarget(
            name: "EtcdMonitor",
            dependencies: ["EtcdMonitorKit", "EtcdKit", "EtcdTesting", "CommandLineFlags"],
            swiftSettings: settings
        ),
        // The code that the tests share.
        .target(
            name: "TestSupport",
            dependencies: ["EtcdKit", "EtcdTesting"],
            path: "Tests/TestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "EtcdKitTests",
            dependencies: ["TestSupport", "EtcdKit", "EtcdTesting", "CNghttp2", "COpenSSL"],
            swiftSettings: settings
        ),
        // A process for the tests of the patterns to freeze, to cut off and to kill.
        .executableTarget(
            name: "PatternsWorker",
            dependencies: ["EtcdPatterns", "EtcdKit"],
            path: "Tests/PatternsWorker",
            swiftSettings: settings
        ),
        .testTarget(
            name: "PatternsTests",
            dependencies: ["TestSupport", "EtcdPatterns", "EtcdKit", "EtcdTesting", "PatternsWorker"],
            swiftSettings: settings
        ),
        // Counts allocations and instructions, for `make budgets`.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .executableTarget(
            name: "Budgets",
            dependencies: ["EtcdKit", "EtcdPatterns", "EtcdTesting", "CAllocationCounter"],
            path: "Tests/Budgets",
            exclude: ["budgets.txt"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "MonitorTests",
            dependencies: [
                "TestSupport", "EtcdMonitorKit", "EtcdMonitor", "CommandLineFlags", "EtcdKit", "EtcdTesting",
            ],
            swiftSettings: settings
        ),
    ]
)

// `scripts/test.sh` optimizes the code that it tests, to save processor time. It does not optimize the tests, which would
// take longer to compile.
if Context.environment["ETCD_KIT_OPTIMIZED_TESTS"] != nil {
    for target in package.targets where [.regular, .executable].contains(target.type) && target.swiftSettings != nil {
        target.swiftSettings = settings + [.unsafeFlags(["-O"])]
    }
}
