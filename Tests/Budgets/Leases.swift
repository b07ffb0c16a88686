// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// Leases that are kept alive.
enum Leases {
    private static let (number, timeToLive) = (1000, Duration.seconds(3))

    static func countAllocations(_ client: EtcdClient, _ member: EtcdMember) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let kept = Counter()
            for _ in 0..<number {
                group.addTask {
                    var states = client.leases.keepAlive(try await client.leases.grant(timeToLive: timeToLive))
                        .makeAsyncIterator()
                    _ = try await states.next()
                    kept.add(1)
                    try await Task.sleep(for: .seconds(1000))
                }
            }
            while kept.value < number { try await Task.sleep(for: .milliseconds(5)) }
            let renewals = try await renewals(member)
            let before = AllocationMeter.count
            // Each is due again after a third of its time to live.
            try await Task.sleep(for: timeToLive)
            let allocations = AllocationMeter.count - before
            AllocationMeter.report(
                "renewal of a lease",
                Double(allocations) / (try await Self.renewals(member) - renewals)
            )
            group.cancelAll()
            while let result = await group.nextResult() { _ = result }
        }
    }

    private static func renewals(_ member: EtcdMember) async throws -> Double {
        let name = "etcd_debugging_lease_renewed_total"
        guard let count = try await member.metric(name) else { throw Failure(description: "etcd has no \(name)") }
        return count
    }
}
