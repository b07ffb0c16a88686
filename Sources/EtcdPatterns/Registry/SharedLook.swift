// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Checks whether entries have changed, for all registrations of a registry: many entries in one read.
///
/// A watch reports a change at once, but not one that was made before by the restoration of a store. So each registration
/// reads its entry from time to time. Ten thousand registrations would make a thousand reads a second on their own.
struct SharedLook: Sendable {
    private struct Question {
        let key: Key
        let revision: Revision
    }

    private let client: EtcdClient
    private let batcher = ReadBatcher<Key, Question, Revision?>(patience: .milliseconds(100), SharedLook.answer)

    init(_ client: EtcdClient) { self.client = client }

    /// Checks whether the last change of an entry is still that of `revision`.
    ///
    /// - Returns: The revision of the store at which it is; nil if the entry has changed, or is gone.
    /// - Throws: ``EtcdError``, among its codes `permissionDenied` and `cancelled`.
    func confirm(_ key: Key, at revision: Revision) async throws(EtcdError) -> Revision? {
        try await batcher.ask(Question(key: key, revision: revision), in: client.namespace, of: client)
    }

    /// Answers all questions.
    private static func answer(_ questions: [Question], _: Key, _ client: EtcdClient) async throws(EtcdError)
        -> [Revision??]
    {
        var options = RangeOptions()
        options.keysOnly = true
        let response = try await client.transaction(
            if: questions.map { Compare.Target.modRevision($0.key) == $0.revision },
            then: [],
            else: questions.map { .range(.key($0.key), options: options) }
        )
        return questions.enumerated().map { index, question in
            let result = response.succeeded ? nil : response.results.dropFirst(index).first
            let isSame = response.succeeded || result?.entries.first?.modRevision == question.revision
            return .some(isSame ? response.header.revision : nil)
        }
    }
}
