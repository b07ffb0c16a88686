// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The reads of all waiters of one client: one read serves all waiters in the same queue.
///
/// etcd has no index of create revisions: to read the nearest keys before one, it reads and sorts the whole queue. For
/// thousands of waiters that come at once, it would do so thousands of times. So while a read of a queue is under way,
/// later requests are collected, and the next read serves all of them. It begins after these requests, so each gets the
/// same answer as alone.
final class SharedReads: Sendable {
    /// The answer to one reader.
    struct Answer: Sendable {
        let header: ResponseHeader
        /// The entries of the keys; nil for a key that does not exist.
        let entries: [KeyValue?]
        let more: [TransactionResult]
        /// Nil if none was requested.
        var section: [RangeResponse]?
    }

    /// Readers of one group read together.
    private struct Group: Hashable {
        let namespace: Key
        let ranges: [KeyRange]
        let more: [TransactionOperation]
    }

    /// A reader waits for an answer, for as long as it keeps this.
    private final class Question: Sendable {
        let keys: [Key]
        let section: QueueSection
        let answer: AsyncStream<Result<Answer, EtcdError>>.Continuation

        init(_ keys: [Key], _ section: QueueSection, _ answer: AsyncStream<Result<Answer, EtcdError>>.Continuation) {
            self.keys = keys
            self.section = section
            self.answer = answer
        }
    }

    private struct WeakQuestion {
        weak var question: Question?
    }

    private struct State {
        /// The readers that wait for the next read, for each group with a read in flight.
        var waiting: [Group: [WeakQuestion]] = [:]
        /// How many operations one read may have: below etcd's default limit, or lower for a server with a lower limit.
        var capacity = 100
    }

    private let state = Lock(State())

    /// Reads keys, `more`, and a section of a queue, all at one revision.
    ///
    /// - Returns: The answer; in a section that has a limit there may be fewer entries, but never none where there are some.
    /// - Throws: ``EtcdError``, as a transaction that reads.
    func read(
        _ keys: [Key],
        _ more: [TransactionOperation],
        _ section: QueueSection?,
        for client: EtcdClient
    ) async throws(EtcdError) -> Answer {
        guard let section else { return try await Self.read(keys, more, section, client) }
        let group = Group(namespace: client.namespace, ranges: section.ranges, more: more)
        let (answers, answer) = AsyncStream.makeStream(of: Result<Answer, EtcdError>.self)
        let question = Question(keys, section, answer)
        defer { withExtendedLifetime(question) {} }
        let isFirst = state.withLock { state in
            let isFirst = state.waiting[group] == nil
            state.waiting[group, default: []].append(WeakQuestion(question: question))
            return isFirst
        }
        if isFirst { client.inCommon { await self.answerAll(of: group, client) } }
        for await answer in answers { return try answer.get() }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    /// Reads until there are no more waiters.
    private func answerAll(of group: Group, _ client: EtcdClient) async {
        while true {
            let questions = state.withLock { state in
                let waiting = state.waiting.removeValue(forKey: group)?.compactMap(\.question) ?? []
                var room = max(0, state.capacity - group.more.count - group.ranges.count)
                let count = waiting.prefix { question in
                    room -= question.keys.count
                    return room >= 0
                }.count
                let batch = waiting.prefix(max(1, count))
                if !batch.isEmpty {
                    state.waiting[group] = waiting.dropFirst(batch.count).map(WeakQuestion.init)
                }
                return batch
            }
            if questions.isEmpty { return }
            await answer(questions, of: group, client)
        }
    }

    private func answer(_ questions: ArraySlice<Question>, of group: Group, _ client: EtcdClient) async {
        guard let first = questions.first else { return }
        let section = first.section.covering(questions.dropFirst().map(\.section))
        do throws(EtcdError) {
            let all = try await Self.read(questions.flatMap(\.keys), group.more, section, client)
            var entries = all.entries[...]
            var rest: [Question] = []
            for question in questions {
                let own = Array(entries.prefix(question.keys.count))
                entries = entries.dropFirst(own.count)
                if let part = question.section.part(of: all.section ?? []) {
                    let answer = Answer(header: all.header, entries: own, more: all.more, section: part)
                    question.answer.yield(.success(answer))
                } else {
                    rest.append(question)
                }
            }
            if rest.count == questions.count {
                throw EtcdError(.protocolViolation, "the answer has none of the entries in \(section.ranges)")
            }
            // Before readers that have come since, so that none waits for long.
            await answer(rest[...], of: group, client)
        } catch {
            // The reason may be their number, or the size of the answer.
            guard questions.count > 1, !error.code.isTransient, error.code != .clientClosed, !Task.isCancelled else {
                // The end of the client cancels this task, but not the waiting ones.
                let error = Task.isCancelled ? EtcdError(.clientClosed, "the client was closed", cause: error) : error
                for question in questions { question.answer.yield(.failure(error)) }
                return
            }
            let middle = questions.startIndex + questions.count / 2
            if error.code == .tooManyOperations {
                state.withLock { $0.capacity = min($0.capacity, questions.count / 2) }
            }
            await answer(questions[..<middle], of: group, client)
            await answer(questions[middle...], of: group, client)
        }
    }

    private static func read(
        _ keys: [Key],
        _ more: [TransactionOperation],
        _ section: QueueSection?,
        _ client: EtcdClient
    ) async throws(EtcdError) -> Answer {
        let operations = keys.map { .get($0) } + more + (section?.operations ?? [])
        let response = try await client.transaction(then: operations)
        let results = response.results
        let ranges = results.dropFirst(keys.count + more.count).compactMap { result in
            if case .range(let response) = result { response } else { nil }
        }
        // If an answer is missing, there may be others before a waiter that seems to be the first.
        guard results.count == operations.count, ranges.count == section?.ranges.count ?? 0 else {
            throw EtcdError(.protocolViolation, "\(results.count) results for \(operations.count) reads")
        }
        return Answer(
            header: response.header,
            entries: results.prefix(keys.count).map(\.entries.first),
            more: Array(results.dropFirst(keys.count).prefix(more.count)),
            section: section.map { _ in ranges }
        )
    }
}

extension EtcdClient {
    /// The reads of all waiters of the client and its copies.
    var sharedReads: SharedReads { part { SharedReads() } }
}
