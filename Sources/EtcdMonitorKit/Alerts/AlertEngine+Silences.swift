// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension AlertEngine {
    /// The largest number of silences, including expired ones.
    static let mostSilences = 1000
    /// The largest number of conditions of a silence.
    static let mostMatchers = 50
    /// The largest number of characters of each text that people write.
    static let mostCharacters = 1000
    /// The longest duration of a silence, in seconds.
    static let longestSilence: TimeInterval = 366 * 86_400
    /// How long an expired silence is shown, in seconds.
    static let retentionOfSilences: TimeInterval = 5 * 86_400

    /// Adds a silence.
    ///
    /// - Throws: The reason why it is refused.
    mutating func add(_ silence: Silence, by actor: String, now: Date) throws(EtcdError) -> AuditRecord {
        if let problem = silence.problem(at: now) { throw EtcdError(.invalidArgument, "the silence \(problem)") }
        if silences.contains(where: { $0.id == silence.id }) {
            throw EtcdError(.invalidArgument, "the silence \(silence.id) already exists")
        }
        // Expired silences make room.
        while silences.count >= Self.mostSilences {
            guard let place = silences.firstIndex(where: { $0.state(at: now) == .expired }) else {
                throw EtcdError(.invalidArgument, "there are already \(Self.mostSilences) silences: end some of them")
            }
            silences.remove(at: place)
        }
        silences.append(silence)
        let end = silence.endsAt.formatted(.iso8601)
        return audit(
            AuditRecord(
                time: now,
                actor: actor,
                action: "silence.add",
                subject: silence.id,
                detail: "silences \(silence.conditions) until \(end): \(silence.comment)"
            )
        )
    }

    /// Ends a silence.
    ///
    /// - Throws: An error if it does not exist or has ended.
    mutating func endSilence(_ id: Silence.ID, by actor: String, now: Date) throws(EtcdError) -> AuditRecord {
        guard let place = silences.firstIndex(where: { $0.id == id && $0.state(at: now) != .expired }) else {
            throw EtcdError(.invalidArgument, "no active silence \(id.oneLine.cut(to: 100))")
        }
        silences[place].endsAt = now
        let detail = "ends the silence of \(silences[place].conditions)"
        return audit(AuditRecord(time: now, actor: actor, action: "silence.end", subject: id, detail: detail))
    }

    /// Stores a record, without characters that could break a log.
    mutating func audit(_ record: AuditRecord) -> AuditRecord {
        var record = record
        record.actor = record.actor.oneLine.cut(to: 200)
        record.subject = record.subject.oneLine
        record.detail = record.detail.oneLine
        auditRecords = Array((auditRecords + [record]).suffix(options.historyLimit))
        revision += 1
        return record
    }

    /// Removes silences that expired long ago.
    mutating func pruneSilences(_ now: Date) {
        let count = silences.count
        silences.removeAll {
            $0.state(at: now) == .expired && $0.endsAt.elapsed(until: now) > Self.retentionOfSilences
        }
        if silences.count != count { revision += 1 }
    }
}

extension Silence {
    /// The conditions as text.
    fileprivate var conditions: String {
        matchers.map { "\($0.name)\($0.isEqual ? "=" : "!=")\($0.value)" }.joined(separator: ", ")
    }

    /// The reason why it cannot be added; nil if it can.
    fileprivate func problem(at now: Date) -> String? {
        if matchers.isEmpty { return "has no matchers" }
        if matchers.count > AlertEngine.mostMatchers {
            return "has more than \(AlertEngine.mostMatchers) matchers"
        }
        if matchers.contains(where: \.name.isEmpty) { return "has a matcher without the name of a label" }
        if matchers.allSatisfy(\.matchesEverything) {
            return "matches every alert: at least one matcher must require the value of a label"
        }
        // No comparison holds for a time that is not a number.
        guard endsAt > startsAt else { return "does not end after its start" }
        guard endsAt > now else { return "has already ended" }
        guard endsAt.timeIntervalSince(now) <= AlertEngine.longestSilence else { return "lasts longer than a year" }
        for (name, text) in [("author", createdBy), ("comment", comment)] {
            if text.allSatisfy(\.isWhitespace) { return "has no \(name)" }
        }
        let texts = [createdBy, comment] + matchers.flatMap { [$0.name, $0.value] }
        if texts.contains(where: { $0.unicodeScalars.count > AlertEngine.mostCharacters }) {
            return "has a text of more than \(AlertEngine.mostCharacters) characters"
        }
        return nil
    }
}

extension AlertMatcher {
    /// Whether it matches every alert, or every alert without the label, so that it alone does not restrict a silence.
    fileprivate var matchesEverything: Bool {
        if matches(label: "") { return true }
        return !isEqual && value.isEmpty && ["alertname", "cluster", "severity"].contains(name)
    }
}
