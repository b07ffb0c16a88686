// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A client's request for a silence.
struct SilenceRequest: Decodable {
    /// The latest end of a silence, in seconds from now.
    ///
    /// Longer silences would be forgotten.
    static let longest = 366 * 86_400.0

    private let matchers: [Matcher]
    private let startsAt: String?
    private let endsAt: String?
    private let duration: String?
    private let comment: String
    private let createdBy: String?

    private struct Matcher: Decodable {
        let name: String
        let value: String
        let isEqual: Bool

        private enum CodingKeys: CodingKey, CaseIterable { case name, value, isEqual }

        init(from decoder: any Decoder) throws {
            let fields = try StrictFields<CodingKeys>(decoder)
            name = try fields.required(.name)
            value = try fields.required(.value)
            isEqual = try fields.optional(.isEqual) ?? true
        }
    }

    private enum CodingKeys: CodingKey, CaseIterable { case matchers, startsAt, endsAt, duration, comment, createdBy }

    init(from decoder: any Decoder) throws {
        let fields = try StrictFields<CodingKeys>(decoder)
        matchers = try fields.required(.matchers)
        startsAt = try fields.optional(.startsAt)
        endsAt = try fields.optional(.endsAt)
        duration = try fields.optional(.duration)
        comment = try fields.required(.comment)
        createdBy = try fields.optional(.createdBy)
    }

    /// The requested silence.
    ///
    /// - Parameters:
    ///   - actor: The author, if the client names no other.
    ///   - now: The current time; an earlier start means now.
    /// - Returns: The silence.
    /// - Throws: A problem that names the wrong field.
    func silence(by actor: String, at now: Date) throws(Problem) -> Silence {
        guard (1...20).contains(matchers.count) else {
            throw Problem(.invalidBody, "matchers: must have 1 to 20 elements")
        }
        for (index, matcher) in matchers.enumerated() {
            try Self.check(matcher.name, "matchers[\(index)].name", 1...128)
            try Self.check(matcher.value, "matchers[\(index)].value", 0...1000)
        }
        try Self.check(comment, "comment", 1...1000)
        if let createdBy { try Self.check(createdBy, "createdBy", 1...100) }
        let start = max(try Self.date(startsAt, "startsAt") ?? now, now)
        let end = try end(after: start)
        guard end > start else { throw Problem(.invalidBody, "endsAt: must be after the start and in the future") }
        guard end.timeIntervalSince(now) <= Self.longest else {
            throw Problem(
                .invalidBody,
                "\(duration == nil ? "endsAt" : "duration"): the end must be within 366 days"
            )
        }
        return Silence(
            matchers.map { AlertMatcher($0.name, $0.value, isEqual: $0.isEqual) },
            startsAt: start,
            endsAt: end,
            createdBy: createdBy ?? actor,
            comment: comment
        )
    }

    private func end(after start: Date) throws(Problem) -> Date {
        switch (try Self.date(endsAt, "endsAt"), duration) {
        case (let end?, nil): return end
        case (nil, let duration?):
            guard let seconds = Parameters.seconds(duration) else {
                throw Problem(.invalidBody, "duration: must be a time such as 30m, 2h or 1d")
            }
            return start.addingTimeInterval(seconds)
        default: throw Problem(.invalidBody, "endsAt, duration: exactly one of them is needed")
        }
    }

    private static func date(_ text: String?, _ field: String) throws(Problem) -> Date? {
        guard let text else { return nil }
        guard let date = Parameters.date(text) else {
            throw Problem(.invalidBody, "\(field): must be a time such as 2026-01-31T12:00:00Z")
        }
        return date
    }

    /// Refuses a text that is too short or too long, or that could break a log line.
    private static func check(_ text: String, _ field: String, _ length: ClosedRange<Int>) throws(Problem) {
        guard length.contains(text.unicodeScalars.count) else {
            throw Problem(.invalidBody, "\(field): must have \(length.lowerBound) to \(length.upperBound) characters")
        }
        let isBroken = text.unicodeScalars.contains { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator: true
            default: false
            }
        }
        if isBroken { throw Problem(.invalidBody, "\(field): must be one line without control characters") }
        if length.lowerBound > 0 && text.allSatisfy(\.isWhitespace) {
            throw Problem(.invalidBody, "\(field): must not be blank")
        }
    }
}
