// SPDX-License-Identifier: Apache-2.0

import AsyncHTTPClient
import EtcdKit
import EtcdPatterns
import EtcdTesting
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

/// The sample service as several processes.
@Suite("GreetingService", .timeLimit(.minutes(4)))
struct GreetingServiceTests {
    @Test("three processes handle a kill, a change of the configuration, a restart of etcd, and SIGTERM")
    func faults() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            try await withProcesses(3, cluster.endpoints) { processes, http in
                try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                    try await faults(cluster, client, processes, http)
                }
            }
        }
    }

    private func faults(
        _ cluster: EtcdCluster,
        _ client: EtcdClient,
        _ processes: [ServiceProcess],
        _ http: HTTPClient
    ) async throws {
        let registry = try ServiceRegistry(client)
        func registered() async throws -> [String] { try await registry.discover("greeter").available.map(\.id) }
        /// The one process that leads, if all of these agree on it.
        func leader(of processes: [ServiceProcess]) async -> ServiceProcess? {
            var leaders: Set<String> = []
            for process in processes { leaders.insert(await process.get("leader", http) ?? "") }
            let leading = processes.filter { leaders == [$0.address] }
            guard let leader = leading.first, await leader.get("admin/report", http) == "\(leader.id) leads" else {
                return nil
            }
            return leader
        }

        // All processes are there, and greet; the others redirect to the one that leads.
        try await eventually { try await registered() == ["greeter-1", "greeter-2", "greeter-3"] }
        for process in processes { #expect(await process.get("hello?name=ann", http) == "Hello, ann!") }
        try await eventually { await leader(of: processes) != nil }
        let first = try #require(await leader(of: processes))
        for process in processes where process.id != first.id {
            let response = try await http.execute(
                HTTPClientRequest(url: process.url("admin/report")),
                timeout: .seconds(5)
            )
            #expect(response.status == .temporaryRedirect)
            #expect(response.headers.first(name: "location") == first.url("admin/report"))
        }

        // Counting under the lock loses nothing.
        let counts = try await withThrowingTaskGroup(of: String?.self, returning: [String?].self) { group in
            for process in processes {
                for _ in 0..<3 { group.addTask { await process.post("count", http) } }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(counts) == Set((1...9).map { "\($0)" }))

        // A kill: another process leads, the dead one is gone from the registry, and requests reach the others.
        first.signal(SIGKILL)
        let survivors = processes.filter { $0.id != first.id }
        for _ in 0..<20 { #expect(await survivors[0].get("relay", http) == "Hello, relay!") }
        try await eventually { await leader(of: survivors) != nil }
        try await eventually { try await registered() == survivors.map(\.id) }

        // A change of the configuration and of a flag: all see it.
        try await client.withConfiguration("greeting/config") { try await $0.set("greeting", "Servus") }
        let flags = try await FeatureFlags("greeting/flags", client: client)
        try await flags.enable("shout")
        await flags.close()
        for process in survivors {
            try await eventually { await process.get("hello?name=ann", http) == "SERVUS, ANN!" }
        }

        // A restart of etcd: the processes answer meanwhile, and go on after it.
        for member in cluster.members { await member.kill() }
        for process in survivors { #expect(await process.get("hello?name=ann", http) == "SERVUS, ANN!") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for member in cluster.members { group.addTask { try await member.restart() } }
            try await group.waitForAll()
        }
        try await eventually { await survivors[0].post("count", http) != nil }
        try await eventually { await leader(of: survivors) != nil }
        try await eventually { try await registered() == survivors.map(\.id) }

        // SIGTERM: no request fails, the registration is gone, the leadership passes at once, and the exit code is 0.
        let leaving = try #require(await leader(of: survivors))
        let staying = try #require(survivors.first { $0.id != leaving.id })
        let start = ContinuousClock.now
        leaving.signal(SIGTERM)
        while leaving.isRunning, ContinuousClock.now - start < .seconds(20) {
            #expect(await staying.get("relay", http) == "SERVUS, RELAY!")
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(leaving.exitCode == 0, "\(leaving.log)")
        #expect(try await registered() == [staying.id])
        try await eventually(within: .seconds(3)) { await leader(of: [staying]) != nil }
        staying.signal(SIGTERM)
        try await eventually(within: .seconds(20)) { !staying.isRunning }
        #expect(staying.exitCode == 0, "\(staying.log)")
        #expect(try await registered().isEmpty)
    }

    @Test("a process that starts while etcd is away answers with defaults, and ends in time")
    func withoutEtcd() async throws {
        try await withProcesses(1, ["127.0.0.1:1"]) { processes, http in
            try await eventually { await processes[0].get("hello?name=ann", http) == "Hello, ann!" }
            processes[0].signal(SIGTERM)
            try await eventually(within: .seconds(20)) { !processes[0].isRunning }
            #expect(processes[0].exitCode == 0, "\(processes[0].log)")
        }
    }

    /// Starts processes, and kills those that are left once `body` has ended.
    private func withProcesses(
        _ count: Int,
        _ endpoints: [String],
        _ body: ([ServiceProcess], HTTPClient) async throws -> Void
    ) async throws {
        let http = HTTPClient(configuration: .init(redirectConfiguration: .disallow))
        var processes: [ServiceProcess] = []
        var failure: (any Error)?
        do {
            for (number, port) in zip(1..., try await Self.freePorts(count)) {
                processes.append(try ServiceProcess("greeter-\(number)", port: port, endpoints))
            }
            try await body(processes, http)
        } catch {
            failure = error
        }
        for process in processes { process.signal(SIGKILL) }
        try await http.shutdown()
        if let failure { throw failure }
    }

    private static func freePorts(_ count: Int) async throws -> [Int] {
        var channels: [any Channel] = []
        for _ in 0..<count {
            let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            channels.append(try await bootstrap.bind(host: "127.0.0.1", port: 0).get())
        }
        let ports = try channels.map { try #require($0.localAddress?.port) }
        for channel in channels { try await channel.close() }
        return ports
    }
}

/// A running sample service.
private final class ServiceProcess: Sendable {
    let id: String
    let port: Int
    private let process: Mutex<Process>
    private let output: URL

    init(_ id: String, port: Int, _ endpoints: [String]) throws {
        self.id = id
        self.port = port
        output = FileManager.default.temporaryDirectory.appending(path: "greeting-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        let process = Process()
        process.executableURL = try Self.program()
        process.environment = [
            "NODE_ID": id, "PORT": "\(port)", "ETCD_ENDPOINTS": endpoints.joined(separator: ","),
            "LD_LIBRARY_PATH": ProcessInfo.processInfo.environment["LD_LIBRARY_PATH"] ?? "",
        ]
        let handle = try FileHandle(forWritingTo: output)
        (process.standardOutput, process.standardError) = (handle, handle)
        try process.run()
        self.process = Mutex(process)
    }

    deinit { try? FileManager.default.removeItem(at: output) }

    var address: String { "127.0.0.1:\(port)" }
    func url(_ path: String) -> String { "http://\(address)/\(path)" }

    var isRunning: Bool { process.withLock { $0.isRunning } }

    /// The exit code; nil for a process that runs, or that a signal has ended.
    var exitCode: Int32? {
        process.withLock { $0.isRunning || $0.terminationReason != .exit ? nil : $0.terminationStatus }
    }

    /// The end of its log.
    var log: String { String((try? String(contentsOf: output, encoding: .utf8))?.suffix(4000) ?? "") }

    func signal(_ number: Int32) {
        process.withLock { if $0.isRunning { kill($0.processIdentifier, number) } }
    }

    /// The body of the answer; nil if there is none, or its status is not 200.
    func get(_ path: String, _ http: HTTPClient) async -> String? { await send(.GET, path, http) }

    func post(_ path: String, _ http: HTTPClient) async -> String? { await send(.POST, path, http) }

    private func send(_ method: HTTPMethod, _ path: String, _ http: HTTPClient) async -> String? {
        var request = HTTPClientRequest(url: url(path))
        request.method = method
        guard let response = try? await http.execute(request, timeout: .seconds(15)), response.status == .ok else {
            return nil
        }
        return (try? await response.body.collect(upTo: 1 << 20)).map { String(buffer: $0) }
    }

    /// The program, which is built beside the tests.
    private static func program() throws -> URL {
        let bundles = [Bundle.main] + Bundle.allBundles.filter { $0.bundlePath.hasSuffix(".xctest") }
        let neighbours = bundles.flatMap { [$0.executableURL, $0.bundleURL].compactMap(\.self) }
        let candidates = neighbours.map { $0.deletingLastPathComponent().appending(path: "greeting-service") }
        let program = candidates.first { FileManager.default.isExecutableFile(atPath: $0.path) }
        return try #require(program, "no greeting-service among \(candidates)")
    }
}
