// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// Locks that nobody else wants: each is acquired and released.
enum Locks {
    private static let total = 320

    static func countAllocations(_ client: EtcdClient) async throws {
        try await client.withSession { session in
            for callers in [1, 64] {
                let place = callers == 1 ? "1 caller" : "\(callers) callers"
                try await AllocationMeter.measure("lock and release, \(place)") {
                    try await run(session, callers)
                    return total
                }
            }
        }
    }

    private static func run(_ session: Session, _ callers: Int) async throws {
        let next = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<callers {
                group.addTask {
                    while let number = next.take(below: total) {
                        let grant = try await DistributedLock("locks/\(number)", on: .session(session)).acquire()
                        await grant.release()
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
