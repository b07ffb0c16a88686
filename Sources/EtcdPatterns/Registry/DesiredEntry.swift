// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The entry that a registration wants in the store: callers change it, and an ``EntryKeeper`` puts it.
final class DesiredEntry: Sendable {
    private typealias Outcome = Result<Void, any Error>

    private struct State {
        var instance: ServiceInstance
        var author = ServiceRecord.Author()
        /// Counts the changes of the entry.
        var version = 0
        /// The result of the registration's own checks.
        var isHealthy = true
        /// The instance that was put last; nil before the first put.
        var accepted: ServiceInstance?
        /// A caller is changing the instance.
        var isChanging = false
        /// The version that this caller waits for, and its outcome.
        var change: (version: Int, outcome: Outcome?)?
        var ending: CoordinationLoss?

        var record: ServiceRecord {
            var instance = instance
            if !isHealthy && instance.status == .up { instance.status = .down }
            return ServiceRecord(instance: instance, author: author)
        }

        /// Changes the instance if it is still `old`.
        ///
        /// - Returns: Whether `old` is not in the store either, so that etcd may refuse it as well; nil if the instance is
        ///   not `old` any more.
        mutating func change(_ old: ServiceInstance, to new: ServiceInstance) -> Bool? {
            if instance != old { return nil }
            instance = new
            version += 1
            change = (version, ending.map { .failure($0) })
            return accepted.map { $0 != old } ?? false
        }

        /// Notes the outcome of the entry of `version`.
        mutating func note(_ outcome: Outcome, of version: Int) {
            if let change, change.version <= version, change.outcome == nil { self.change?.outcome = outcome }
        }
    }

    /// An entry to put.
    struct Claim {
        let record: ServiceRecord
        let version: Int
        fileprivate let instance: ServiceInstance
    }

    private let state: SharedState<State>

    init(_ instance: ServiceInstance) { state = SharedState(State(instance: instance)) }

    var instance: ServiceInstance { state.withLock { $0.instance } }
    var version: Int { state.withLock { $0.version } }
    var hasRegistered: Bool { state.withLock { $0.accepted != nil } }
    var nonce: String { state.withLock { $0.author.nonce } }

    /// The entry that announces that the instance leaves.
    var farewell: ServiceRecord {
        var record = state.withLock { $0.record }
        record.instance.status = .draining
        return record
    }

    // MARK: The callers' side

    /// Changes the instance, and waits until the entry is in the store.
    ///
    /// Changes come one after the other: if etcd refused an entry with two of them, the cause would be unclear.
    ///
    /// - Throws: The error of `body`; the reason why the entry cannot be put; `CancellationError`.
    func update(_ body: (ServiceInstance) throws -> ServiceInstance) async throws {
        try await state.wait { state -> Void? in
            if state.isChanging { return nil }
            state.isChanging = true
            return ()
        }
        defer {
            state.update { state in
                state.isChanging = false
                state.change = nil
            }
        }
        while true {
            let (old, ending) = state.withLock { ($0.instance, $0.ending) }
            if let ending { throw ending }
            let new = try body(old)
            // A change that etcd has refused may have been undone meanwhile.
            guard let mayOldBeRefused = state.update({ $0.change(old, to: new) }) else { continue }
            do {
                return try await state.wait { $0.change?.outcome }.get()
            } catch let error as EtcdError where mayOldBeRefused && error.code != .cancelled {
                continue
            }
        }
    }

    /// Notes the result of the registration's own checks.
    func set(isHealthy: Bool) {
        state.update { state in
            state.isHealthy = isHealthy
            state.version += 1
        }
    }

    // MARK: The keeper's side

    /// The entry to put in place of `found`; nil if that belongs to a registration that came later.
    func claim(_ found: ServiceRecord?) -> Claim? {
        state.withLock { state in
            if let other = found?.author, other.nonce != state.author.nonce {
                if state.accepted == nil {
                    state.author.supersede(other)
                } else if state.author < other {
                    return nil
                }
            }
            return Claim(record: state.record, version: state.version, instance: state.instance)
        }
    }

    /// Notes that an entry is in the store.
    func accept(_ claim: Claim) {
        state.update { state in
            state.accepted = claim.instance
            state.note(.success(()), of: claim.version)
        }
    }

    /// Notes that etcd refuses an entry.
    ///
    /// Unless a newer one is wanted, the instance that was put before is wanted again.
    func refuse(_ claim: Claim, _ error: EtcdError) {
        state.update { state in
            if state.instance == claim.instance, let accepted = state.accepted, accepted != claim.instance {
                state.instance = accepted
                state.version += 1
            }
            state.note(.failure(error), of: claim.version)
        }
    }

    /// Notes that the registration has ended, and nothing is put any more.
    func end(_ loss: CoordinationLoss) {
        state.update { state in
            state.ending = loss
            state.note(.failure(loss), of: .max)
        }
    }

    /// Waits until an entry other than that of `version` is wanted, but no longer than `limit`.
    func waitForChange(of version: Int, atMost limit: Duration? = nil) async throws {
        _ = try await withTimeout(limit) { try await self.state.wait { $0.version == version ? nil : true } }
        try Task.checkCancellation()
    }
}
