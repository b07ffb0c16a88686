// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Hummingbird
import Logging
import ServiceLifecycle
import Synchronization
import Testing

/// Starts an etcd of one member, and lends a client of it to `body`.
@discardableResult
func withEtcd<Result>(
    _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
    _ body: (EtcdClient, EtcdCluster) async throws -> Result
) async throws -> Result {
    try await withEtcdCluster { cluster in
        var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
        configure(&configuration)
        return try await withEtcdClient(configuration) { client in try await body(client, cluster) }
    }
}

/// Waits until `condition` holds, and records an issue if it does not in time.
func eventually(
    within timeout: Duration = .seconds(30),
    _ comment: Comment? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + timeout
    while !(try await condition()) {
        if ContinuousClock.now > deadline {
            Issue.record(comment ?? "the condition does not hold within \(timeout)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// A list that several tasks write.
final class Record<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    func add(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}

/// A group of services that a test shuts down.
func serviceGroup(_ services: [any Service]) -> ServiceGroup {
    ServiceGroup(configuration: ServiceGroupConfiguration(services: services, logger: quiet))
}

/// Runs services, lends their group to `body`, and shuts them down once it has ended.
@discardableResult
func withServices<Result: Sendable>(
    _ services: [any Service],
    _ body: (ServiceGroup) async throws -> Result
) async throws -> Result {
    let group = serviceGroup(services)
    async let running: Void = group.run()
    let result = try await body(group)
    await group.triggerGracefulShutdown()
    try await running
    return result
}

/// Logs nothing.
let quiet = Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() }

/// An error of EtcdKit.
func anyEtcdError() -> EtcdError {
    do {
        _ = try EtcdClient(endpoints: "")
        fatalError("a client without endpoints")
    } catch {
        return error
    }
}

/// Runs an HTTP server on a free port while `body` runs.
@discardableResult
func withServer<Result: Sendable>(
    _ router: Router<BasicRequestContext>,
    _ body: (Int) async throws -> Result
) async throws -> Result {
    let (ports, running) = AsyncStream.makeStream(of: Int.self)
    let server = Application(
        router: router,
        configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
        onServerRunning: { channel in running.yield(channel.localAddress?.port ?? 0) },
        logger: quiet
    )
    return try await withServices([server]) { _ in
        let port = await ports.first { _ in true }
        return try await body(try #require(port))
    }
}
