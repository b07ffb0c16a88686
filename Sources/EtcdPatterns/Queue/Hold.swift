// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A place at the head of a queue, from victory to loss or release.
///
/// One that is dropped without a release is released by its session.
final class Hold: Sendable {
    let queue: KeyQueue
    let key: Key
    let createRevision: Revision
    /// The number of the slot, if it is one of a semaphore's.
    let slot: Int?
    let tenure: Tenure
    private let candidacy: Candidacy
    /// The session is for this hold only.
    private let ownsSession: Bool
    private let watching: Task<Void, Never>
    private let handover = Lock<Handover?>(nil)
    /// A scope gives the place up once its body has ended.
    private let isScoped = Lock(false)
    private let releasing = Lock<Task<Void, Never>?>(nil)

    init(
        _ candidacy: Candidacy,
        at createRevision: Revision,
        in queue: KeyQueue,
        slot: Int? = nil,
        drain: Duration = .zero,
        ownsSession: Bool
    ) {
        self.queue = queue
        self.candidacy = candidacy
        self.createRevision = createRevision
        self.slot = slot
        self.ownsSession = ownsSession
        key = candidacy.key
        let tenure = Tenure(within: queue.session.tenure, margin: drain)
        self.tenure = tenure
        watching = Task { [client = queue.client, key] in
            await withTaskGroup(of: Void.self) { group in
                // Without a margin, the session sees to it.
                if drain > .zero { group.addTask { await tenure.expireInTime() } }
                await Self.watch(key, createRevision, client, tenure)
            }
        }
    }

    deinit {
        watching.cancel()
        if releasing.withLock({ $0 == nil }) { queue.session.sweep(key) }
    }

    /// Ends the tenure when the key is deleted.
    private static func watch(_ key: Key, _ createRevision: Revision, _ client: EtcdClient, _ tenure: Tenure) async {
        var revision = createRevision
        while tenure.loss == nil, !Task.isCancelled {
            do throws(EtcdError) {
                try await client.awaitChange(in: .key(key), after: revision) { $0.kind == .delete }
                let response = try await client.persist { () throws(EtcdError) in try await client.range(.key(key)) }
                if response.entries.first?.createRevision != createRevision {
                    return tenure.end(CoordinationLoss(.keyDeleted))
                }
                revision = response.header.revision
            } catch {
                // The deadline is still looked after; who may not read the key hears of the rest from the server.
                return
            }
        }
    }

    // MARK: Use

    /// The condition that the place is held.
    var isCurrent: Compare { Compare.Target.createRevision(key) == createRevision }

    /// How long the place is certainly held from now on, if the lease is not renewed.
    var remaining: Duration { max(.zero, (tenure.deadline ?? .now) - .now) }

    /// Runs a transaction that has no effect unless the place is held.
    func guarded(
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation]
    ) async throws -> TransactionResponse {
        try await tenure.guarded(by: isCurrent, queue.client, if: conditions, then: then, else: `else`)
    }

    /// Runs `body`, cancels it when the place is lost, and releases the place once it has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        isScoped.withLock { $0 = true }
        do {
            let result = try await tenure.whileHeld(body)
            await release()
            return result
        } catch {
            await release()
            throw error
        }
    }

    // MARK: The end

    /// Ends the tenure, and then releases the place, which is for the scope to do if there is one: work goes first.
    func stepDown(_ handover: Handover? = nil) async {
        self.handover.withLock { $0 = $0 ?? handover }
        tenure.end(CoordinationLoss(.released))
        if !isScoped.withLock({ $0 }) { await release() }
    }

    /// Gives the place up; only the first call does something, the others wait for it.
    func release() async {
        let task = releasing.withLock { task in
            if let task { return task }
            let new = Task { await finish() }
            task = new
            return new
        }
        await task.value
    }

    private func finish() async {
        tenure.end(CoordinationLoss(.released))
        watching.cancel()
        await watching.value
        if let handover = handover.withLock({ $0 }) { await queue.run(handover) }
        // The end of the lease deletes the key, too.
        if ownsSession { await queue.session.close() } else { await queue.leave(candidacy) }
    }
}
