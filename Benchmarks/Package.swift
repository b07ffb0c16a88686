// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "etcd-kit", path: "..")],
    targets: [
        .executableTarget(
            name: "alone",
            dependencies: [.product(name: "EtcdKit", package: "etcd-kit")],
            path: "Sources/Alone",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .executableTarget(
            name: "flags",
            dependencies: [
                .product(name: "EtcdKit", package: "etcd-kit"), .product(name: "EtcdPatterns", package: "etcd-kit"),
                .product(name: "EtcdTesting", package: "etcd-kit"),
            ],
            path: "Sources/Flags",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .executableTarget(
            name: "picks",
            dependencies: [.product(name: "EtcdPatterns", package: "etcd-kit")],
            path: "Sources/Picks",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
    ]
)
