// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// A leader that hands over to another drops the writes that come meanwhile.
@Suite("EtcdClient: writes while the leadership moves", .cluster, .timeLimit(.minutes(3)))
struct LeaderMoveTests {
    @Test("a write that the leader has dropped is repeated, and succeeds")
    func moves() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            var places: [Member.ID: Endpoint] = [:]
            for endpoint in await client.endpoints {
                places[try await client.maintenance.status(of: endpoint).header.memberID] = endpoint
            }
            let log = EventLog()
            try await withWriters(at: cluster.endpoints, log) {
                for _ in 0..<40 {
                    let leader = try await client.maintenance.status(of: try #require(places.values.first)).leader
                    let next = try #require(places.keys.first { $0 != leader })
                    // Two may meet in a move that has not ended yet.
                    try? await client.with(timeout: .seconds(2)).maintenance.moveLeader(to: next)
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
            let retries = log.count {
                if case .callRetried(_, _, let error) = $0 { error.code == .proposalDropped } else { false }
            }
            print("\(retries) proposals were dropped and made again")
            // The control: it has happened.
            #expect(retries > 0)
        }
    }

    /// Writes at each member by itself while `body` runs; a write may stay in doubt, but that it was not done is never
    /// the last word.
    private func withWriters(at endpoints: [String], _ log: EventLog, _ body: () async throws -> Void) async throws {
        let writers = try (endpoints + endpoints + endpoints + endpoints).map { endpoint in
            let client = try EtcdClient(log.configuration([endpoint]))
            return Task {
                var failures: [EtcdError] = []
                while !Task.isCancelled {
                    do throws(EtcdError) { try await client.put("k", "v") } catch { failures.append(error) }
                }
                await client.close()
                return failures.filter { $0.code != .cancelled && $0.code != .ambiguous }
            }
        }
        do { try await body() } catch {
            for writer in writers { writer.cancel() }
            throw error
        }
        for writer in writers { writer.cancel() }
        for writer in writers {
            let failures = await writer.value
            #expect(failures.isEmpty, "\(failures.map(\.description).prefix(3))")
        }
    }
}
