// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdTesting
@testable import PatternsWorker

/// A worker's place: its proxy to etcd, and the processes that have worked there, one after the other.
final class WorkerPlace: Sendable {
    let proxy: FaultProxy
    private let order: WorkerOrder
    private let sandbox: Sandbox
    private let workers = Lock<[WorkerProcess]>([])

    fileprivate init(_ order: WorkerOrder, _ sandbox: Sandbox) async throws {
        proxy = try await FaultProxy.start(to: order.endpoint)
        self.order = WorkerOrder(order.role, proxy.endpoint, order.name, timeToLive: order.timeToLive)
        self.sandbox = sandbox
    }

    /// All that have worked here, the present one last.
    var all: [WorkerProcess] { workers.withLock { $0 } }
    var current: WorkerProcess? { all.last }

    /// Starts a worker; the one before was killed.
    func start() throws {
        let worker = try WorkerProcess(order, in: sandbox)
        workers.withLock { $0.append(worker) }
    }
}

/// Workers that do the same at one etcd, each with a proxy of its own in between.
struct WorkerFleet: Sendable {
    let places: [WorkerPlace]

    /// The events of all workers, each in its order.
    var histories: [[WorkerEvent]] { places.flatMap(\.all).map(\.events) }

    /// Events that they should not have reported.
    var otherLines: [String] { places.flatMap(\.all).flatMap(\.otherLines) }

    /// Starts workers, lends them to `body` when all are at work, and kills them.
    static func lend<Result>(
        _ count: Int,
        _ order: WorkerOrder,
        _ body: (WorkerFleet) async throws -> Result
    ) async throws -> Result {
        let sandbox = try Sandbox(in: FileManager.default.temporaryDirectory.path)
        var places: [WorkerPlace] = []
        do {
            for _ in 0..<count {
                let place = try await WorkerPlace(order, sandbox)
                places.append(place)
                try place.start()
            }
            let fleet = WorkerFleet(places: places)
            try await eventually(within: .seconds(60), "all are at work") {
                fleet.histories.allSatisfy { !$0.isEmpty }
            }
            let result = try await body(fleet)
            await close(places, sandbox)
            return result
        } catch {
            await close(places, sandbox)
            throw error
        }
    }

    private static func close(_ places: [WorkerPlace], _ sandbox: Sandbox) async {
        await sandbox.close()
        for place in places { await place.proxy.stop() }
    }
}
