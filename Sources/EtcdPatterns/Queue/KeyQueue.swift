// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Waiters in the order in which their keys came into being, as etcd's lock of Go has them: the first one owns.
///
/// A key is `<name>/<lease>-<nonce>`, so that each acquisition has its own, and one that is put again finds itself.
struct KeyQueue: Sendable {
    /// Whom a key has to wait for.
    enum Role: Sendable {
        /// All that came before.
        case exclusive
        /// The exclusive ones that came before.
        case shared
    }

    private static let sharedSuffix = Array("-shared".utf8)

    let session: Session
    let name: Key

    var client: EtcdClient { session.client }
    var range: KeyRange { .prefix(name + "/") }

    static func isShared(_ key: Key) -> Bool { key.bytes.suffix(sharedSuffix.count).elementsEqual(sharedSuffix) }

    private func candidacy(_ role: Role, _ value: Value) -> Candidacy {
        let nonce = String(UInt64.random(in: .min ... .max), radix: 16)
        let key = name + "/" + Key("\(session.lease.id)-\(nonce)")
        return Candidacy(role == .shared ? key + Key(bytes: Self.sharedSuffix) : key, value)
    }

    // MARK: In and out

    /// Joins the queue and waits for its turn.
    ///
    /// However this ends but by success, no key is left that can have its turn later.
    ///
    /// - Returns: The key whose turn it is; nil if it is another's, and that is not to be waited for.
    func enter(_ role: Role, _ value: Value, waits: Bool = true) async throws -> Candidacy? {
        let candidacy = candidacy(role, value)
        do {
            let isItsTurn = try await session.tenure.whileHeld {
                // Where the first is the only one, there is no need to join for a look.
                switch try await join(candidacy, onlyIfEmpty: !waits && role == .exclusive) {
                case nil: return false
                case true?: return true
                case false? where waits:
                    try await waitForTurn(candidacy, role)
                    return true
                case false?:
                    if case .first = try await standing(of: candidacy, role) { return true }
                    return false
                }
            }
            // Whoever is cancelled does not expect to own anything.
            try Task.checkCancellation()
            if isItsTurn { return candidacy }
            await leave(candidacy)
            return nil
        } catch {
            await leave(candidacy)
            switch error {
            case is CancellationError: throw EtcdError(.cancelled, "the task was cancelled")
            // The lease was gone before this side has heard of it.
            case EtcdError.Code.leaseNotFound:
                session.tenure.end(CoordinationLoss(.leaseEnded, cause: error as? EtcdError))
                throw session.tenure.loss ?? error
            default: throw error
            }
        }
    }

    /// Puts the key, again and again until that has an outcome.
    ///
    /// - Returns: Whether it is the first in the queue; nil if the queue is not empty, and must be.
    private func join(_ candidacy: Candidacy, onlyIfEmpty: Bool) async throws -> Bool? {
        let key = candidacy.key
        var first = RangeOptions()
        first.keysOnly = true
        first.sort = .ascending(by: .createRevision)
        first.limit = 1
        let isFree = Compare.Target.createRevision(in: onlyIfEmpty ? range : .key(key)) == 0
        let (put, head) = (
            TransactionOperation.put(key, candidacy.value, lease: session.lease.id),
            TransactionOperation.range(range, options: first)
        )
        // An attempt is not cancelled, since that would leave its outcome open, but short.
        let client = client.with(timeout: min(client.timeout, max(.seconds(1), session.lease.timeToLive / 3)))
        var failures = 0
        while true {
            try Task.checkCancellation()
            let outcome = await shielded { () -> Result<TransactionResponse, EtcdError> in
                do throws(EtcdError) {
                    let response = try await client.transaction(
                        if: [isFree],
                        then: [put, head],
                        else: [.get(key), head]
                    )
                    return .success(response)
                } catch {
                    return .failure(error)
                }
            }
            switch outcome {
            case .success(let response):
                let results = response.results
                if response.succeeded {
                    candidacy.entered(at: response.header.revision)
                } else if let own = results.first?.entries.first {
                    candidacy.found(at: own.createRevision)
                } else {
                    return nil
                }
                return results.last?.entries.first?.key == key
            case .failure(let error):
                if error.code == .ambiguous || error.code == .cancelled {
                    candidacy.tried()
                } else if !error.code.isTransient {
                    throw error
                }
            }
            failures += 1
            // A cancelled pause is noticed by the next attempt.
            try? await Task.sleep(for: client.retry.backoff.delay(afterFailures: failures, chance: .random(in: 0...1)))
        }
    }

    /// Deletes the key for good, also when the caller is cancelled, for which there is as much time as the lease lives.
    ///
    /// Where that fails, the session is given up, so that the key goes with the lease.
    func leave(_ candidacy: Candidacy) async {
        guard candidacy.mayExist, session.tenure.loss?.reason != .leaseEnded else { return }
        await shielded {
            do throws(EtcdError) {
                try await delete(candidacy)
                if candidacy.hasLooseEnds { session.sweep(candidacy.key) }
            } catch {
                if session.isAlive { await session.abandon(error) }
            }
        }
    }

    private func delete(_ candidacy: Candidacy) async throws(EtcdError) {
        let deadline = ContinuousClock.now + min(session.lease.timeToLive, client.timeout)
        let key = candidacy.key
        let isOwn = candidacy.createRevision.map { [Compare.Target.createRevision(key) == $0] } ?? []
        var failures = 0
        while true {
            do throws(EtcdError) {
                try await client.with(timeout: deadline - .now).transaction(if: isOwn, then: [.delete(key)])
                return
            } catch {
                // To delete it once more does no harm.
                guard error.code == .ambiguous || error.code.isTransient, .now < deadline else { throw error }
            }
            failures += 1
            try? await Task.sleep(for: client.retry.backoff.delay(afterFailures: failures, chance: .random(in: 0...1)))
        }
    }

    // MARK: Waiting

    /// What stands before a key.
    private enum Standing {
        case first
        case behind(Key, asOf: Revision)
    }

    /// Waits until nothing is before the key that it has to wait for, as a read shows that shows the key, too.
    private func waitForTurn(_ candidacy: Candidacy, _ role: Role) async throws {
        while case .behind(let predecessor, let revision) = try await standing(of: candidacy, role) {
            // The predecessor may have been a waiter that gave up; so whatever happens is looked at.
            try await firstDeletion(of: [predecessor, candidacy.key], after: revision)
        }
    }

    private func standing(of candidacy: Candidacy, _ role: Role) async throws -> Standing {
        guard let createRevision = candidacy.createRevision else { throw CoordinationLoss(.keyDeleted) }
        var before = RangeOptions()
        before.keysOnly = true
        before.maxCreateRevision = createRevision.previous
        before.sort = .descending(by: .createRevision)
        before.limit = role == .exclusive ? 1 : nil
        let operations = [TransactionOperation.get(candidacy.key), .range(range, options: before)]
        let response = try await client.persist { () throws(EtcdError) in
            try await client.transaction(then: operations)
        }
        guard response.results.first?.entries.first?.createRevision == createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        let entries = response.results.last?.entries ?? []
        guard let predecessor = entries.first(where: { role == .exclusive || !Self.isShared($0.key) }) else {
            return .first
        }
        let key = predecessor.key
        if key.bytes.dropFirst(name.bytes.count + 1).contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(name)\" is the beginning of another name: there is \(key)")
        }
        // Waiting for it would never end.
        if predecessor.lease == nil {
            throw EtcdError(.invalidArgument, "\(key) is in the queue of \"\(name)\", and belongs to no lease")
        }
        return .behind(key, asOf: response.header.revision)
    }

    /// Waits until one of the keys is deleted, or it cannot be known whether one was.
    private func firstDeletion(of keys: [Key], after revision: Revision) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for key in keys {
                group.addTask { try await client.awaitChange(in: .key(key), after: revision) { $0.kind == .delete } }
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
    }
}

extension EtcdClient {
    /// Lists a queue, in the order of its turns.
    func queueEntries(in range: KeyRange, limit: Int? = nil) async throws(EtcdError) -> [KeyValue] {
        var options = RangeOptions()
        options.limit = limit
        options.sort = .ascending(by: .createRevision)
        return try await self.range(range, options: options).entries
    }
}
