// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// How keys come into queues and out of them, so that none is left behind.
extension Session {
    /// Runs `body`, which puts keys, and deletes them unless that ends with success.
    ///
    /// `body` must end soon after the session is lost, as all does that goes through
    /// ``settle(if:then:else:onUnknown:onFailure:)`` or is done under the session's tenure.
    ///
    /// - Returns: What `body` returns: whether the keys are to stay.
    func orLeave(_ candidacies: [Candidacy], _ body: () async throws -> Bool) async throws -> Bool {
        do {
            let isSuccess = try await body()
            if let loss = tenure.loss { throw loss }
            // Whoever is cancelled does not expect to own anything.
            try checkCancellation()
            if isSuccess { return true }
        } catch {
            let reason = tenure.loss?.overrunUntilNow ?? error
            await leave(candidacies, timeout: Self.grace)
            throw reason
        }
        await leave(candidacies)
        return false
    }

    /// Puts the keys of several queues, if all these queues are empty, in one transaction.
    ///
    /// - Returns: Whether all keys are in their queues, each as the only one when it came.
    /// - Throws: ``QueueBlocked`` if the first in one of the queues cannot be waited for either.
    func joinIfEmpty(_ places: [(queue: KeyQueue, candidacy: Candidacy)]) async throws -> Bool {
        let heads = client.part { QueueHeads() }
        let names = places.map { client.namespace + $0.queue.name }
        // etcd does not look further than to the first condition that fails. Of many, one more might be too many for it.
        let known = places.count == 1 ? names.first.flatMap { heads[$0] } : nil
        let response = try await settle(
            if: (known.map { [.isMissing($0.key)] } ?? [])
                + places.map { Compare.Target.createRevision(in: $0.queue.range) == 0 },
            then: places.map { .put($0.candidacy.key, $0.candidacy.value, lease: lease.id) },
            else: places.map { .get($0.candidacy.key) } + (known.map { [.get($0.key)] } ?? []),
            onUnknown: { for place in places { place.candidacy.tried() } }
        )
        if response.succeeded {
            for place in places { place.candidacy.entered(at: response.header.revision) }
            return true
        }
        let results = response.results
        let found = results.prefix(places.count).compactMap(\.entries.first)
        guard found.count == places.count else {
            var first = results.dropFirst(places.count).map(\.entries.first)
            if known == nil || first.first??.createRevision != known?.createRevision {
                var options = RangeOptions()
                options.sort = .ascending(by: .createRevision)
                options.limit = 1
                let reads = places.map { TransactionOperation.range($0.queue.range, options: options) }
                first = try await tenure.whileHeld { try await self.read(reads).results.map(\.entries.first) }
                for (name, entry) in zip(names, first) { heads.note(entry, of: name) }
            }
            for (place, entry) in zip(places, first) {
                if let error = entry.flatMap({ QueueBlocked(by: $0, in: place.queue.name) }) { throw error }
            }
            return false
        }
        for (place, entry) in zip(places, found) { place.candidacy.found(at: entry.createRevision) }
        return true
    }

    /// Deletes keys for good, also when the caller is cancelled, for which there is as much time as the lease lives.
    ///
    /// The rest goes on in the background when the timeout is over. Where a key cannot be deleted, the session is
    /// given up, so that the key goes with the lease. If it is lost already, nothing is waited for.
    func leave(_ candidacies: [Candidacy], timeout: Duration = Session.patience) async {
        let deadline = ContinuousClock.Instant.after(isAlive ? timeout : .zero)
        for job in candidacies.compactMap(startLeaving) { await job.wait(deadline - .now) }
    }

    private func startLeaving(_ candidacy: Candidacy) -> BackgroundJob? {
        guard candidacy.mayExist, tenure.loss?.reason != .leaseEnded else { return nil }
        // Another candidate of this process may join anew before the key is deleted here.
        leaveBehind(candidacy)
        let isOwn = candidacy.createRevision.map { Compare.Target.createRevision(candidacy.key) == $0 }
        return client.inBackground { await self.erase(candidacy, if: isOwn.map { [$0] } ?? []) }
    }

    /// Deletes a key for good with the first attempt, if there is time for one, together with what else is done on the
    /// session.
    ///
    /// - Returns: Whether that is done.
    func eraseInBatch(_ candidacy: Candidacy, within time: Duration) async -> Bool {
        if time < attemptTimeout || !isAlive { return false }
        let part = TransactionBatcher.Part(conditions: [], operations: [.delete(candidacy.key)])
        guard case .done = await batcher.run(part, on: self, grace: nil) else { return false }
        erased(candidacy)
        return true
    }

    private func erased(_ candidacy: Candidacy) {
        if candidacy.hasLooseEnds { sweep(candidacy.key) } else { witness.gaveUp(candidacy.key) }
    }

    /// Deletes a key for good, within the time that the lease lives.
    func erase(_ candidacy: Candidacy, if conditions: [Compare]) async {
        let reason = tenure.loss?.reason
        if reason == .leaseEnded || reason == .abandoned { return }
        let deadline = ContinuousClock.now + min(lease.timeToLive, client.timeout)
        do throws(EtcdError) {
            // To delete it once more does no harm.
            try await delete(candidacy.key, if: conditions, until: deadline)
            erased(candidacy)
        } catch {
            if isAlive { await abandon(error) }
            leaveBehind(candidacy)
        }
    }
}
