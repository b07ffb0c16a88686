// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Checks whether entries have changed, for all registrations of a registry: many entries in one read.
///
/// A watch reports a change at once, but not one that was made before by the restoration of a store. So each registration
/// reads its entry from time to time. Ten thousand registrations would make a thousand reads a second on their own.
final class SharedLook: Sendable {
    private typealias Answer = Result<Revision?, EtcdError>

    private struct Question {
        let key: Key
        let revision: Revision
        let answer: AsyncStream<Answer>.Continuation
    }

    private struct State {
        var questions: [Question] = []
        var isAnswering = false
        /// The number of entries in one read: below etcd's default limit, and lower for a server with a lower limit.
        var capacity = 100
    }

    /// The time for which a question waits for others.
    private static let patience = Duration.milliseconds(100)

    private let client: EtcdClient
    private let state = Lock(State())

    init(_ client: EtcdClient) { self.client = client }

    /// Checks whether the last change of an entry is still that of `revision`.
    ///
    /// - Returns: The revision of the store at which it is; nil if the entry has changed, or is gone.
    /// - Throws: ``EtcdError``, among its codes `permissionDenied` and `cancelled`.
    func confirm(_ key: Key, at revision: Revision) async throws(EtcdError) -> Revision? {
        let (answers, answer) = AsyncStream.makeStream(of: Answer.self)
        let isFirst = state.withLock { state in
            state.questions.append(Question(key: key, revision: revision, answer: answer))
            defer { state.isAnswering = true }
            return !state.isAnswering
        }
        // The task ends when all questions are answered. The caller of each question waits for its answer.
        if isFirst { Task { await answerAll() } }
        for await answer in answers { return try answer.get() }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    private func answerAll() async {
        while true {
            try? await Task.sleep(for: Self.patience)
            let (questions, capacity) = state.withLock { state in
                defer { state.questions = [] }
                state.isAnswering = !state.questions.isEmpty
                return (state.questions, state.capacity)
            }
            if questions.isEmpty { return }
            for start in stride(from: 0, to: questions.count, by: capacity) {
                await answer(questions[start..<min(start + capacity, questions.count)])
            }
        }
    }

    private func answer(_ questions: ArraySlice<Question>) async {
        var options = RangeOptions()
        options.keysOnly = true
        do throws(EtcdError) {
            let response = try await client.transaction(
                if: questions.map { Compare.Target.modRevision($0.key) == $0.revision },
                then: [],
                else: questions.map { .range(.key($0.key), options: options) }
            )
            for (index, question) in questions.enumerated() {
                let result = response.succeeded ? nil : response.results.dropFirst(index).first
                let isSame = response.succeeded || result?.entries.first?.modRevision == question.revision
                question.answer.yield(.success(isSame ? response.header.revision : nil))
            }
        } catch {
            // The reason may be one entry, such as one that may not be read, or the number of entries.
            guard questions.count > 1, !error.code.isTransient, error.code != .clientClosed else {
                for question in questions { question.answer.yield(.failure(error)) }
                return
            }
            let middle = questions.startIndex + questions.count / 2
            if error.code == .tooManyOperations {
                state.withLock { $0.capacity = min($0.capacity, questions.count / 2) }
            }
            await answer(questions[..<middle])
            await answer(questions[middle...])
        }
    }
}
