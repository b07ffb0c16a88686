// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A problem or a fact that the monitor has found in a cluster.
public struct Finding: Sendable, Hashable, Codable, Identifiable {
    /// The identity of a finding: its kind and its subject, never a figure.
    public struct ID: Sendable, Hashable, Codable, CustomStringConvertible {
        /// The kind of finding.
        public var code: Code
        /// The subject: a member, a link `from>to`, the subject of a certificate; empty for the whole cluster.
        public var subject: String

        /// Makes an ID.
        ///
        /// - Parameters:
        ///   - code: The kind of finding.
        ///   - subject: The subject; empty for the whole cluster.
        public init(_ code: Code, _ subject: String = "") {
            self.code = code
            self.subject = subject
        }

        /// The code and the subject, such as `member-down:8e9e05c52164694d`.
        public var description: String { subject.isEmpty ? code.rawValue : "\(code.rawValue):\(subject)" }
    }

    /// The identity of the finding.
    public var id: ID
    /// Its current severity.
    public var verdict: Verdict
    /// The finding, in one sentence.
    public var summary: String
    /// The ID of the member it is about, in hexadecimal digits; nil for the whole cluster.
    public var memberID: String?
    /// The time when the monitor first saw it.
    public var since: Date
    /// The figures behind it, by name; the names include the units.
    public var evidence: [String: Double]
    /// The recommended action.
    public var advice: String { code.advice }
    /// The place of the finding in the documentation.
    public var runbook: String { "Docs/Monitoring.md#\(code.rawValue)" }
    /// The kind of the finding.
    public var code: Code { id.code }

    /// Makes a finding.
    ///
    /// - Parameters:
    ///   - id: The identity of the finding.
    ///   - verdict: Its severity.
    ///   - summary: The finding, in one sentence.
    ///   - memberID: The ID of the member it is about.
    ///   - since: The time when the monitor first saw it.
    ///   - evidence: The figures behind it, by name.
    public init(
        _ id: ID,
        _ verdict: Verdict,
        _ summary: String,
        memberID: Member.ID? = nil,
        since: Date,
        evidence: [String: Double] = [:]
    ) {
        self.id = id
        self.verdict = verdict
        self.summary = summary
        self.memberID = memberID?.description
        self.since = since
        self.evidence = evidence
    }
}

extension Finding {
    private enum CodingKeys: String, CodingKey {
        case id, verdict, summary, memberID, since, evidence
    }

    /// Fields that follow from the code, written for readers without the table; decoding ignores them.
    private enum DerivedKeys: String, CodingKey {
        case advice, runbook
    }

    /// Writes the finding, with its advice and the place of its runbook.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(verdict, forKey: .verdict)
        try container.encode(summary, forKey: .summary)
        try container.encodeIfPresent(memberID, forKey: .memberID)
        try container.encode(since, forKey: .since)
        try container.encode(evidence, forKey: .evidence)
        var derived = encoder.container(keyedBy: DerivedKeys.self)
        try derived.encode(advice, forKey: .advice)
        try derived.encode(runbook, forKey: .runbook)
    }
}
