// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs small transactions of a session that come at the same time as one: group commit.
///
/// For etcd, a transaction of thirty operations is hardly more work than one of two: it is one request, one entry of
/// the log and one commit. The first ones are sent at once, each alone; those that come while ``maximumInFlight`` are
/// in flight are sent together, as soon as one of these is answered.
///
/// The conditions of a batch are those of all its transactions. They are expected to hold: if one does not, none of the
/// transactions has run, and each is to be run alone. So is each if etcd refuses the batch, for instance because the
/// user may not access one of the keys.
final class TransactionBatcher: Sendable {
    /// A transaction that is expected to succeed.
    struct Part: Sendable {
        let conditions: [Compare]
        let operations: [TransactionOperation]
        /// Two transactions of one batch key are never in the same batch, so that they have different revisions.
        var batchKey: Key?
    }

    /// Nil if nothing has happened, and the transaction is to be run alone.
    typealias Outcome = Result<TransactionResponse, EtcdError>?

    /// How many batches may be under way at once.
    private static let maximumInFlight = 4

    private struct Waiting {
        let number: Int
        let part: Part
        let deadline: ContinuousClock.Instant
    }

    private struct State {
        var waiting: [Waiting] = []
        /// The batch keys of the waiting transactions.
        var batchKeys: Set<Key> = []
        var continuations: [Int: UnsafeContinuation<Outcome, Never>] = [:]
        var lastNumber = 0
        var inFlight = 0
        /// How many operations, or conditions, a batch has at most: etcd allows 128 of each by default.
        var maximumCount = 96
    }

    private let state = Lock(State())

    /// Runs a transaction, with others that come at the same time, within the session's time for an attempt.
    ///
    /// Once the caller's task is cancelled, it goes on for `grace`; nil for as long as there is time.
    func run(_ part: Part, on session: Session, grace: Duration?) async -> Outcome {
        let entry = state.withLock { state -> Int? in
            // Another of the same batch key is waiting.
            if let batchKey = part.batchKey, !state.batchKeys.insert(batchKey).inserted { return nil }
            state.lastNumber += 1
            return state.lastNumber
        }
        guard let number = entry else { return nil }
        guard let grace else { return await wait(number, part, session) }
        return await withTaskCancellationHandler {
            await wait(number, part, session)
        } onCancel: {
            callLater(after: grace) { [weak self] in self?.giveUp(number) }
        }
    }

    private func wait(_ number: Int, _ part: Part, _ session: Session) async -> Outcome {
        let deadline = ContinuousClock.Instant.after(session.attemptTimeout)
        return await withUnsafeContinuation { continuation in
            let mayStart = state.withLock { state in
                state.waiting.append(Waiting(number: number, part: part, deadline: deadline))
                state.continuations[number] = continuation
                if state.inFlight == Self.maximumInFlight { return false }
                state.inFlight += 1
                return true
            }
            if mayStart { _ = session.client.inBackground { await self.work(for: session) } }
        }
    }

    /// Sends batches until nobody waits.
    private func work(for session: Session) async {
        while let batch = takeBatch() {
            do throws(EtcdError) {
                let response = try await session.transaction(
                    if: batch.flatMap(\.part.conditions),
                    then: batch.flatMap(\.part.operations),
                    timeout: max(.milliseconds(1), batch[0].deadline - .now)
                )
                finish(batch, .success(response))
            } catch {
                finish(batch, .failure(error))
            }
        }
    }

    private func takeBatch() -> [Waiting]? {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.inFlight -= 1
                return nil
            }
            var count = 0
            let fitting = state.waiting.prefix { waiting in
                count += max(waiting.part.operations.count, waiting.part.conditions.count)
                return count <= state.maximumCount
            }
            let batch = Array(state.waiting.prefix(max(1, fitting.count)))
            state.waiting.removeFirst(batch.count)
            for waiting in batch {
                if let batchKey = waiting.part.batchKey { state.batchKeys.remove(batchKey) }
            }
            return batch
        }
    }

    private func finish(_ batch: [Waiting], _ result: Result<TransactionResponse, EtcdError>) {
        let continuations = state.withLock { state in
            if case .failure(let error) = result, error.code == .tooManyOperations { state.maximumCount /= 2 }
            return batch.map { state.continuations.removeValue(forKey: $0.number) }
        }
        var start = 0
        for (waiting, continuation) in zip(batch, continuations) {
            let range = start..<(start + waiting.part.operations.count)
            start = range.upperBound
            continuation?.resume(returning: outcome(result, range, isOnly: batch.count == 1))
        }
    }

    private func outcome(
        _ result: Result<TransactionResponse, EtcdError>,
        _ range: Range<Int>,
        isOnly: Bool
    ) -> Outcome {
        switch result {
        case .success(let response):
            guard response.succeeded else { return nil }
            guard let part = response.part(range) else {
                return .failure(EtcdError(.ambiguous, "the answer to a transaction has too few results"))
            }
            return .success(part)
        case .failure(let error):
            // The reason may be another transaction of the batch.
            return isOnly || error.mayPass || error.code.mayHaveTakenEffect ? .failure(error) : nil
        }
    }

    private func giveUp(_ number: Int) {
        let continuation = state.withLock { state in
            if let index = state.waiting.firstIndex(where: { $0.number == number }) {
                if let key = state.waiting.remove(at: index).part.batchKey { state.batchKeys.remove(key) }
            }
            return state.continuations.removeValue(forKey: number)
        }
        continuation?.resume(returning: .failure(EtcdError(.cancelled, "the task was cancelled")))
    }

    /// Soon ends the transactions that wait for an answer: the session is lost.
    func end() {
        callLater(after: Session.grace) { [weak self] in
            guard let self else { return }
            for number in state.withLock({ Array($0.continuations.keys) }) { giveUp(number) }
        }
    }
}
