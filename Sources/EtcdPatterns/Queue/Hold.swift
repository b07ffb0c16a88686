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
    private let releasing = Lock<Task<Void, Never>?>(nil)

    init(
        _ candidacy: Candidacy,
        at createRevision: Revision,
        in queue: KeyQueue,
        slot: Int? = nil,
        ownsSession: Bool
    ) {
        self.queue = queue
        self.candidacy = candidacy
        self.createRevision = createRevision
        self.slot = slot
        self.ownsSession = ownsSession
        key = candidacy.key
        let tenure = Tenure(within: queue.session.tenure)
        self.tenure = tenure
        watching = Task { [client = queue.client, key] in
            await Self.watch(key, createRevision, client, tenure)
        }
    }

    deinit {
        watching.cancel()
        if releasing.withLock({ $0 != nil }) { return }
        if candidacy.hasLooseEnds { queue.session.sweep(key) } else { queue.session.sweepOnce(key) }
    }

    /// Ends the tenure when the key is deleted.
    private static func watch(_ key: Key, _ createRevision: Revision, _ client: EtcdClient, _ tenure: Tenure) async {
        var revision = createRevision
        while tenure.loss == nil, !Task.isCancelled {
            do throws(EtcdError) {
                let isDeleted = try await client.awaitChange(in: .key(key), after: revision) { $0.kind == .delete }
                if isDeleted { return tenure.end(CoordinationLoss(.keyDeleted)) }
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
        // The end of the lease deletes the key, too.
        if ownsSession { await queue.session.close() } else { await queue.leave(candidacy) }
    }
}
