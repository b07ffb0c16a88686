// SPDX-License-Identifier: Apache-2.0

import EtcdTesting

extension FaultProxy {
    /// Loses answers and breaks the connections again and again, at random times, while `body` runs.
    ///
    /// - Parameters:
    ///   - pause: The times between two breaks, in milliseconds.
    ///   - body: The work that the breaks disturb.
    /// - Throws: The errors of `body`.
    func breakConnections(every pause: ClosedRange<Int>, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(Int.random(in: pause)))
                    await self.stall(.toClient)
                    try? await Task.sleep(for: .milliseconds(Int.random(in: 0...20)))
                    await self.reset()
                    await self.resume()
                }
            }
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}
