// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Answers the questions of many tasks by few reads: while a read is under way, later questions of its group are collected,
/// and the next read answers all of them.
///
/// It begins after these questions, so each gets the same answer as alone.
final class ReadBatcher<Group: Hashable & Sendable, Question: Sendable, Answer: Sendable>: Sendable {
    /// Reads the answers to questions of a group; nil stands for a question to be asked again, at most for all but one.
    typealias Read = @Sendable (_ questions: [Question], Group, EtcdClient) async throws(EtcdError) -> [Answer?]

    /// A task waits for the answer to a question, for as long as it keeps this.
    private final class Waiter: Sendable {
        let question: Question
        let size: Int
        let answer: AsyncStream<Result<Answer, EtcdError>>.Continuation

        init(_ question: Question, _ size: Int, _ answer: AsyncStream<Result<Answer, EtcdError>>.Continuation) {
            self.question = question
            self.size = size
            self.answer = answer
        }
    }

    private struct WeakWaiter {
        weak var waiter: Waiter?
    }

    private struct State {
        /// The tasks that wait for the next read, for each group with a read in flight.
        var waiting: [Group: [WeakWaiter]] = [:]
        /// How many operations one read may have: below etcd's default limit, or lower for a server with a lower limit.
        var capacity = 100
    }

    private let patience: Duration
    private let read: Read
    private let state = Lock(State())

    /// A batcher that gives others `patience` to come before a read that has room for them.
    init(patience: Duration = .zero, _ read: @escaping Read) {
        self.patience = patience
        self.read = read
    }

    /// Asks a question, for which a read needs `size` operations.
    ///
    /// - Throws: ``EtcdError``, as the read, with the code `cancelled` if the task is cancelled.
    func ask(
        _ question: Question,
        size: Int = 1,
        in group: Group,
        of client: EtcdClient
    ) async throws(EtcdError) -> Answer {
        let (answers, answer) = AsyncStream.makeStream(of: Result<Answer, EtcdError>.self)
        let waiter = Waiter(question, size, answer)
        defer { withExtendedLifetime(waiter) {} }
        let isFirst = state.withLock { state in
            defer { state.waiting[group, default: []].append(WeakWaiter(waiter: waiter)) }
            return state.waiting[group] == nil
        }
        if isFirst { client.inCommon { await self.answerAll(in: group, of: client) } }
        for await answer in answers { return try answer.get() }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    /// Reads until no task waits.
    private func answerAll(in group: Group, of client: EtcdClient) async {
        var isFull = false
        while true {
            if !isFull { await Task.pause(for: patience) }
            let batch = state.withLock { state in
                let waiting = state.waiting.removeValue(forKey: group)?.compactMap(\.waiter) ?? []
                var room = state.capacity
                let count = waiting.prefix { waiter in
                    room -= waiter.size
                    return room >= 0
                }.count
                let batch = waiting.prefix(max(1, count))
                if !batch.isEmpty { state.waiting[group] = waiting.dropFirst(batch.count).map(WeakWaiter.init) }
                isFull = batch.count < waiting.count
                return batch
            }
            if batch.isEmpty { return }
            await answer(batch, in: group, of: client)
        }
    }

    private func answer(_ waiters: ArraySlice<Waiter>, in group: Group, of client: EtcdClient) async {
        if waiters.isEmpty { return }
        do throws(EtcdError) {
            let answers = try await read(waiters.map(\.question), group, client)
            var rest: [Waiter] = []
            for (waiter, answer) in zip(waiters, answers) {
                if let answer { waiter.answer.yield(.success(answer)) } else { rest.append(waiter) }
            }
            // Before those that have come since, so that none waits for long.
            await self.answer(rest[...], in: group, of: client)
        } catch {
            // The reason may be one question, as for a key that may not be read, their number, or the size of the answer.
            guard waiters.count > 1, !error.code.isTransient, error.code != .clientClosed, !Task.isCancelled else {
                // The end of the client cancels this task, but not the waiting ones.
                let error = Task.isCancelled ? EtcdError(.clientClosed, "the client was closed", cause: error) : error
                for waiter in waiters { waiter.answer.yield(.failure(error)) }
                return
            }
            let middle = waiters.startIndex + waiters.count / 2
            if error.code == .tooManyOperations {
                state.withLock { $0.capacity = min($0.capacity, waiters.count / 2) }
            }
            await answer(waiters[..<middle], in: group, of: client)
            await answer(waiters[middle...], in: group, of: client)
        }
    }
}
