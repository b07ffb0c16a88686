// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The reads of all waiters of one client: one read serves all waiters in the same queue.
///
/// etcd has no index of create revisions: to read the nearest keys before one, it reads and sorts the whole queue. For
/// thousands of waiters that come at once, it would do so thousands of times.
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
        let timeout: Duration
        let ranges: [KeyRange]
        let more: [TransactionOperation]
    }

    private struct Question {
        let keys: [Key]
        let section: QueueSection
    }

    private let batcher = ReadBatcher<Group, Question, Answer>(SharedReads.answer)

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
        let group = Group(namespace: client.namespace, timeout: client.timeout, ranges: section.ranges, more: more)
        let question = Question(keys: keys, section: section)
        return try await batcher.ask(question, size: keys.count, in: group, of: client)
    }

    private static func answer(
        _ questions: [Question],
        _ group: Group,
        _ client: EtcdClient
    ) async throws(EtcdError) -> [Answer?] {
        guard let first = questions.first?.section else { return [] }
        let section = first.covering(questions.dropFirst().map(\.section))
        let all = try await read(questions.flatMap(\.keys), group.more, section, client)
        var entries = all.entries[...]
        let answers = questions.map { question -> Answer? in
            let own = Array(entries.prefix(question.keys.count))
            entries = entries.dropFirst(own.count)
            return question.section.part(of: all.section ?? []).map { part in
                Answer(header: all.header, entries: own, more: all.more, section: part)
            }
        }
        if answers.contains(where: { $0 != nil }) { return answers }
        throw EtcdError(.protocolViolation, "the answer has none of the entries in \(section.ranges)")
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
