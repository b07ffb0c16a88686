// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The work of the clients during a fault run: each function is one party, and goes on until it is cancelled.
struct FaultWorkload: Sendable {
    /// How a party breaks a rule, to show that it is noticed.
    enum Misbehavior: Sendable {
        /// A writer repeats what may have happened.
        case repeatsAmbiguousWrites
        /// A watcher that starts again takes up what comes from then on.
        case skipsWhileAway
    }

    static let keys = KeyRange.prefix("run/")
    static let lastKey: Key = "run/end"

    let recorder: FaultRecorder
    let seed: UInt64
    let misbehavior: Misbehavior?

    // MARK: Writers

    /// Puts one number after the other.
    func put(_ name: String, _ client: EtcdClient) async {
        let key: Key = "run/\(name)"
        var number = 0
        while await isNext(.milliseconds(50)) {
            number += 1
            let value: Value = "\(name) \(number)"
            var outcome = History.Write.Outcome.ambiguous
            repeat {
                outcome = await recorder.write(key, value) { () throws(EtcdError) in
                    try await client.put(key, value).header.revision
                }
            } while misbehavior == .repeatsAmbiguousWrites && outcome == .ambiguous && !Task.isCancelled
        }
    }

    /// Puts one number after the other in transactions, if the key has not changed since.
    func transact(_ name: String, _ client: EtcdClient) async {
        let key: Key = "run/\(name)"
        var known: Revision? = 0
        var number = 0
        while await isNext(.milliseconds(50)) {
            number += 1
            guard let expected = known else {
                // Nil also for a read that fails: it is tried again.
                if let entry = try? await client.range(.key(key)) { known = entry.entries.first?.modRevision ?? 0 }
                continue
            }
            let value: Value = "\(name) \(number)"
            let outcome = await recorder.write(key, value) { () throws(EtcdError) in
                let conditions = [Compare.Target.modRevision(key) == expected]
                let response = try await client.transaction(if: conditions, then: [.put(key, value)])
                return response.succeeded ? response.header.revision : nil
            }
            known = if case .acknowledged(let revision) = outcome { revision } else { nil }
        }
    }

    // MARK: Readers

    func read(_ name: String, _ client: EtcdClient) async {
        while await isNext(.milliseconds(100)) {
            let start = ContinuousClock.now
            guard let response = try? await client.range(Self.keys) else {
                recorder.count { $0.failedReads += 1 }
                continue
            }
            recorder.record(
                History.Read(
                    reader: name,
                    start: start,
                    end: .now,
                    revision: response.header.revision,
                    entries: response.entries.map { History.Change($0) }
                )
            )
        }
    }

    // MARK: Watchers

    /// Watches from the beginning to the last key.
    func watch(_ name: String, _ client: EtcdClient) async throws {
        recorder.saw([], name)
        for try await event in client.watch(Self.keys, from: 1) {
            recorder.saw([event], name)
            if event.key == Self.lastKey { return }
        }
    }

    /// Watches from the beginning to the last key, by many watches one after the other.
    func watchInParts(_ name: String, _ client: EtcdClient) async throws {
        var generator = SplitMix64(seed: seed ^ UInt64(name.utf8.reduce(0) { $0 &* 31 &+ Int($1) }))
        var next: Revision = 1
        recorder.saw([], name)
        while true {
            let length = Int.random(in: 20...300, using: &generator)
            var count = 0
            for try await batch in client.watch(Self.keys, from: next).batches {
                recorder.saw(batch.events, name)
                next = batch.revision.next
                if batch.events.contains(where: { $0.key == Self.lastKey }) { return }
                count += 1
                if count == length { break }
            }
            recorder.count { $0.restartedWatches += 1 }
            if misbehavior == .skipsWhileAway {
                try await Task.sleep(for: .milliseconds(200))
                let now = try await client.range(Self.keys).header.revision
                next = now.next
            }
        }
    }

    // MARK: Lease holders

    /// Holds leases, one after the other, each with a key: for good, or for so long.
    func holdLeases(_ name: String, for length: Duration?, _ client: EtcdClient) async {
        var number = 0
        while await isNext(.milliseconds(200)) {
            number += 1
            guard let lease = try? await client.leases.grant(timeToLive: .seconds(5 + number % 6)) else { continue }
            let key: Key = "run/\(name)/\(number)"
            let outcome = await recorder.write(key, "\(name) \(number)") { () throws(EtcdError) in
                try await client.put(key, "\(name) \(number)", lease: lease.id).header.revision
            }
            guard case .acknowledged = outcome else { continue }
            recorder.count { $0.leases += 1 }
            let end = length.map { ContinuousClock.now + $0 }
            do {
                try await client.keepAlive(lease) { deadline in
                    recorder.claim(key, until: deadline)
                    return end.map { .now < $0 } ?? true
                }
            } catch {
                if error.code != .cancelled { recorder.count { $0.lostLeases["\(error.code)", default: 0] += 1 } }
            }
        }
    }

    private func isNext(_ pause: Duration) async -> Bool {
        // A cancelled pause is noticed here.
        try? await Task.sleep(for: pause)
        return !Task.isCancelled
    }
}

extension EtcdClient {
    /// Keeps a lease alive, and reports until when the client counts it as alive, for as long as `report` returns true.
    ///
    /// The only place in fault runs that uses the API of renewals.
    fileprivate func keepAlive(
        _ lease: Lease,
        _ report: (ContinuousClock.Instant) -> Bool
    ) async throws(EtcdError) {
        for try await renewal in leases.keepAlive(lease) {
            if !report(renewal.deadline) { return }
        }
    }
}
