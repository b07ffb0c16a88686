// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Foundation

/// A process for tests to freeze, to cut off and to kill; it works until then.
@main
struct Worker: Sendable {
    let order: WorkerOrder
    let client: EtcdClient
    /// Distinguishes this process from all others, before and after it.
    let id = String(UInt64.random(in: .min ... .max), radix: 36)

    static func main() async throws {
        guard let order = WorkerOrder(arguments: Array(CommandLine.arguments.dropFirst())) else {
            let roles = WorkerOrder.Role.allCases.map(\.rawValue).joined(separator: "|")
            print("usage: PatternsWorker \(roles) ENDPOINT NAME SECONDS")
            exit(2)
        }
        var configuration = try EtcdClient.Configuration(endpoints: order.endpoint)
        // A message that a fault has held up arrives, and is not called off.
        configuration.callTimeout = .seconds(5)
        configuration.backoff.maximum = .milliseconds(500)
        let worker = Worker(order: order, client: try EtcdClient(configuration))
        WorkerEvent(.started, text: worker.id).tell()
        switch order.role {
        case .count: await worker.count(isGuarded: true)
        case .countUnguarded: await worker.count(isGuarded: false)
        case .contend: await worker.contend()
        }
    }

    /// Takes the lock again and again, by a session of its own each time or by one that many acquisitions share, and runs
    /// `body` with it.
    ///
    /// A handle, rather than a scope, is what goes on without the lock when it is lost.
    func withEachGrant(_ body: (LockGrant, _ number: Int) async -> Void) async {
        var shared: Session?
        for number in 1... {
            do {
                if shared?.isAlive != true { shared = nil }
                let lock: DistributedLock
                if Bool.random() {
                    if shared == nil { shared = try await Session(client, timeToLive: order.timeToLive) }
                    guard let shared else { continue }
                    lock = try DistributedLock("\(order.name)", on: .session(shared))
                } else {
                    lock = try DistributedLock("\(order.name)", on: .client(client, timeToLive: order.timeToLive))
                }
                let grant = try await lock.acquire()
                let token = grant.fencingToken.rawValue
                WorkerEvent(.acquired, token: token).tell()
                await body(grant, number)
                WorkerEvent(.released, token: token).tell()
            } catch {
                WorkerEvent(.troubled, text: "\(error)").tell()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    private func contend() async {
        await withEachGrant { grant, _ in
            try? await Task.sleep(for: .milliseconds(.random(in: 0...5)))
            await grant.release()
        }
    }
}
