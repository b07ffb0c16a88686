// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdMonitorKit

/// The endpoints stay, but the cluster behind them changes.
@Suite(.cluster, .timeLimit(.minutes(1)))
struct ReplacedClusterTests {
    @Test func `A cluster that replaces another is watched instead`() async throws {
        let (old, new) = (try await EtcdCluster.start(), try await EtcdCluster.start())
        let switchboard = try await Switchboard(to: Endpoint(old.endpoints[0]))
        let endpoint = try Endpoint("127.0.0.1:\(switchboard.port)")
        let client = try EtcdClient(EtcdClient.Configuration(endpoints: [endpoint]))
        var options = ClusterMonitor.Options()
        options.interval = .milliseconds(200)
        for member in old.members + new.members { options.endpoints[member.name] = endpoint }
        let monitor = try ClusterMonitor(client, options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await switchboard.run() }
            group.addTask { try await monitor.run() }
            let first = try #require(try await snapshot(of: monitor) { $0.clusterID != nil }.clusterID)
            switchboard.lead(to: try Endpoint(new.endpoints[0]))
            let second = try await snapshot(of: monitor) { ($0.clusterID ?? first) != first }
            #expect(second.members.map(\.name) == new.members.map(\.name))
            let settled = try await snapshot(of: monitor) { $0.poll > second.poll + 3 }
            #expect(settled.findings.isEmpty, "\(settled.findings.map(\.summary))")
            group.cancelAll()
        }
        await client.close()
        await old.stop()
        await new.stop()
    }

    private func snapshot(
        of monitor: ClusterMonitor,
        _ condition: (MonitorSnapshot) -> Bool
    ) async throws -> MonitorSnapshot {
        for await snapshot in monitor.snapshots {
            if condition(snapshot) { return snapshot }
        }
        throw CancellationError()
    }
}

/// A port that leads to one server or another.
private final class Switchboard: Sendable {
    private let listener: ByteListener
    private let state: Lock<(target: Endpoint, streams: [ByteStream])>

    var port: UInt16 { listener.port }

    init(to target: Endpoint) async throws {
        listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: nil)
        state = Lock((target, []))
    }

    /// Ends all connections; the next ones lead to `target`.
    func lead(to target: Endpoint) {
        let streams = state.withLock { state in
            defer { state = (target, []) }
            return state.streams
        }
        for stream in streams { stream.close() }
    }

    /// Passes bytes on until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            while let stream = await accept() { group.addTask { await self.connect(stream) } }
            lead(to: state.withLock { $0.target })
        }
    }

    private func accept() async -> ByteStream? { try? await listener.accept() }

    private func connect(_ stream: ByteStream) async {
        defer { stream.close() }
        let target = state.withLock { $0.target }
        guard
            let server = try? await ByteStream.connect(to: target, tls: nil as TLSConfiguration?, timeout: .seconds(5))
        else { return }
        defer { server.close() }
        state.withLock { $0.streams += [stream, server] }
        await withDiscardingTaskGroup { group in
            group.addTask { await Self.copy(stream, server) }
            group.addTask { await Self.copy(server, stream) }
        }
    }

    private static func copy(_ source: ByteStream, _ target: ByteStream) async {
        do {
            while case let bytes = try await source.read(upTo: 65_536, deadline: nil), !bytes.isEmpty {
                try await target.write(bytes, deadline: nil)
            }
        } catch {
            // The other direction is over as well.
        }
        target.close()
    }
}
