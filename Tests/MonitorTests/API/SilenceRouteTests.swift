// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("MonitorAPI: silences", .unit, .timeLimit(.minutes(1)))
struct SilenceRouteTests {
    private let alerts = FakeAlerts(.init())
    private var api: MonitorAPI {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("a", role: .admin, name: "anna"), APIToken("r")]
        return .over(FakeCluster(), alerts: alerts, options: options)
    }

    private static let good: [String: any Sendable] = [
        "matchers": [["name": "alertname", "value": "EtcdMemberDown"]], "duration": "2h", "comment": "It is known.",
    ]

    private func post(_ body: [UInt8], type: String? = "application/json") async -> (status: Int, body: String) {
        var request = HTTPRequest("POST", "/api/v1/silences", headers: ["Authorization": "Bearer a"], body: body)
        request.headers["Content-Type"] = type
        let answer = await api.text(request)
        return (answer.status, answer.body)
    }

    /// Sends a good body with some changes; nil takes a field away.
    private func post(_ changes: [String: Any?]) async throws -> (status: Int, body: String) {
        var body: [String: Any] = Self.good
        for (name, value) in changes { body[name] = value }
        return await post(Array(try JSONSerialization.data(withJSONObject: body)))
    }

    private func send(_ method: String, _ path: String, _ token: String = "a") async -> (status: Int, body: String) {
        let answer = await api.text(HTTPRequest(method, path, headers: ["Authorization": "Bearer \(token)"]))
        return (answer.status, answer.body)
    }

    @Test func `A silence is made, listed and ended, each recorded under the token's name`() async throws {
        let made = try await post([
            "createdBy": "somebody else",
            "matchers": [
                ["name": "cluster", "value": "main"] as [String: Any],
                ["name": "member", "value": "", "isEqual": false],
            ],
        ])
        #expect(made.status == 201)
        let silence = try #require(alerts.silences.first)
        #expect(made.body.contains(#""id":"\#(silence.id)""#) && made.body.contains(#""state":"active""#))
        #expect(silence.matchers == [AlertMatcher("cluster", "main"), AlertMatcher("member", "", isEqual: false)])
        #expect(silence.createdBy == "somebody else" && silence.comment == "It is known.")
        #expect(abs(silence.endsAt.timeIntervalSince(silence.startsAt) - 7200) < 0.01)
        #expect(await send("GET", "/api/v1/silences", "r").body.contains(silence.id))

        let path = "/api/v1/silences/\(silence.id)"
        #expect(await send("DELETE", path).status == 204)
        let again = await send("DELETE", path)
        #expect(again.status == 404 && again.body.contains("unknown-silence"))
        #expect(alerts.auditRecords.map(\.action) == ["silence.end", "silence.add"])
        #expect(alerts.auditRecords.allSatisfy { $0.actor == "anna" && $0.subject == silence.id })
    }

    @Test func `The path of a silence has exactly one ID`() async {
        for path in ["/api/v1/silences/", "/api/v1/silences/a/b", "/api/v1/silences/a/", "/api/v1/silencesx"] {
            #expect(await send("DELETE", path).body.contains("problem:not-found"), "\(path)")
        }
        #expect(await send("GET", "/api/v1/silences/a").status == 405)
        #expect(await send("DELETE", "/api/v1/silences").status == 405)
        #expect(await send("PUT", "/api/v1/silences").status == 405)
        #expect(await send("DELETE", "/api/v1/silences/{id}").body.contains("unknown-silence"))
    }

    @Test func `Silences can be asked for by state`() async throws {
        alerts.change { state in
            state.silences = [(60.0, 120.0), (-60, 60), (-120, -60)].map { begin, end in
                Silence([], startsAt: Date() + begin, endsAt: Date() + end, createdBy: "\(begin)", comment: "")
            }
        }
        for (state, begin) in [("pending", "60.0"), ("active", "-60.0"), ("expired", "-120.0")] {
            let body = await api.text(
                HTTPRequest("GET", "/api/v1/silences", query: ["state": state], headers: ["Authorization": "Bearer r"])
            ).body
            #expect(body.matches(of: /"createdBy":"([^"]*)"/).map { String($0.output.1) } == [begin])
            #expect(body.contains(#""state":"\#(state)""#))
        }
    }

    @Test func `The author is the token's name unless the client says another`() async throws {
        #expect(try await post([:]).status == 201)
        #expect(alerts.silences.first?.createdBy == "anna")
    }

    @Test func `A silence can begin later, and one that began before begins now`() async throws {
        let now = Date()
        let style = Date.ISO8601FormatStyle()
        let later = try await post(["startsAt": (now + 3600).formatted(style)])
        #expect(later.status == 201 && later.body.contains(#""state":"pending""#))
        #expect(try #require(alerts.silences.first).endsAt > now + 3600 + 7199)
        #expect(try await post(["startsAt": "2020-01-01T00:00:00Z"]).status == 201)
        #expect(try #require(alerts.silences.first).startsAt >= now)
        let end = (now + 86_400).formatted(style)
        #expect(try await post(["endsAt": end, "duration": nil]).status == 201)
        #expect(alerts.silences.first?.endsAt.formatted(style) == end)
    }

    @Test func `An invalid body is refused with the place and the reason`() async throws {
        let name = ["name": "a", "value": "b"]
        let cases: [([String: Any?], String)] = [
            (["wat": 1], "wat: unknown field"), (["comment": nil], "comment: missing"),
            (["comment": NSNull()], "comment: must be a text"), (["comment": 5], "comment: must be a text"),
            (["comment": ""], "comment: must have 1 to 1000 characters"),
            (["comment": "  "], "comment: must not be blank"),
            (["comment": String(repeating: "a", count: 1001)], "comment: must have 1 to 1000"),
            (["comment": "a\nb"], "comment: must be one line"),
            (["createdBy": "a\u{1b}b"], "createdBy: must be one line"),
            (["createdBy": "a\u{2028}b"], "createdBy: must be one line"),
            (["createdBy": ""], "createdBy: must have 1 to"),
            (["createdBy": NSNull()], "createdBy: must be a text"), (["matchers": nil], "matchers: missing"),
            (["matchers": [] as [Any]], "matchers: must have 1 to 20"),
            (["matchers": "x"], "matchers: must be a list"),
            (["matchers": Array(repeating: name, count: 21)], "matchers: must have 1 to 20"),
            (["matchers": [["name": "a"]]], "matchers[0].value: missing"),
            (["matchers": [name, ["name": "", "value": "b"]]], "matchers[1].name: must have 1 to 128"),
            (["matchers": [["name": "a", "value": "b", "isEqual": 1] as [String: Any]]], "isEqual: must be true or"),
            (
                ["matchers": [["name": "a", "value": "b", "isRegex": true] as [String: Any]]],
                "[0].isRegex: unknown"
            ),
            (["matchers": ["x"]], "matchers[0]: must be an object"),
            (["matchers": [["name": "a", "value": "*"]]], "matchers: they match everything"),
            (["duration": nil], "endsAt, duration: exactly one"),
            (["endsAt": "2999-01-01T00:00:00Z"], "endsAt, duration: exactly one"),
            (["duration": 7200], "duration: must be a text"), (["duration": "2 h"], "duration: must be a time such as"),
            (["duration": "0h"], "duration: must be a"), (["duration": "-1h"], "duration: must be a"),
            (["duration": "1e3s"], "duration: must be a"),
            (["duration": "367d"], "duration: the end must be within 366 days"),
            (["duration": "999999d"], "duration: the end must be"), (["duration": "1000000d"], "duration: must be a"),
            (["duration": nil, "endsAt": "2020-01-01T00:00:00Z"], "endsAt: must be after the start and in the future"),
            (["duration": nil, "endsAt": "9999-12-31T23:59:59Z"], "endsAt: the end must be within 366 days"),
            (["duration": nil, "endsAt": "1767225600"], "endsAt: must be a time such as"),
            (["startsAt": "9999-12-31T23:59:59Z"], "duration: the end must be within 366 days"),
            (["startsAt": "tomorrow"], "startsAt: must be a time such as"),
        ]
        for (changes, expected) in cases {
            let (status, body) = try await post(changes)
            #expect(status == 400 && body.contains("problem:invalid-body") && body.contains(expected), "\(body)")
        }
        #expect(alerts.silences.isEmpty && alerts.auditRecords.isEmpty)
    }

    @Test func `A body without JSON, of another type or too large is refused`() async throws {
        for text in ["", "[", "null x", "{\"a\":}", "\u{0}", "{'a':1}"] {
            let (status, body) = await post(Array(text.utf8))
            #expect(status == 400 && body.contains("it is not JSON"), "\(text): \(body)")
        }
        for text in ["null", "[]", "1", "\"x\""] { #expect(await post(Array(text.utf8)).status == 400) }
        #expect(await post([0xff, 0xfe, 0x7b]).status == 400)
        let deep = Array(String(repeating: "[", count: 30_000).utf8)
        #expect(await post(deep).status == 400)
        let good = Array(try JSONSerialization.data(withJSONObject: Self.good))
        for type in [nil, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
            #expect(await post(good, type: type).status == 415)
        }
        let padding = [UInt8](repeating: 0x20, count: JSONBody.sizeLimit - good.count)
        #expect(await post(good + padding + [0x20]).status == 413)
        #expect(alerts.silences.isEmpty)
        #expect(await post(good + padding, type: "Application/JSON; charset=utf-8").status == 201)
    }

    @Test func `A mutated body makes no silence that is invalid`() async throws {
        let good = Array(try JSONSerialization.data(withJSONObject: Self.good, options: .sortedKeys))
        var random = SplitMix64(seed: 12)
        let bytes = Array(#"{}[]",:\0123456789eE+-.tfnu \u0000*hdms"#.utf8) + [0, 0x1f, 0x7f, 0x80, 0xc3, 0xff]
        var made = 0
        for _ in 0..<5000 {
            var body = good
            for _ in 0..<Int.random(in: 1...3, using: &random) where !body.isEmpty {
                let place = Int.random(in: body.indices, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: body[place] = bytes.randomElement(using: &random) ?? 0
                case 1: body.insert(bytes.randomElement(using: &random) ?? 0, at: place)
                case 2: body.remove(at: place)
                default: body.insert(contentsOf: body[place..<min(place + 8, body.count)], at: place)
                }
            }
            let (status, text) = await post(body)
            #expect(status == 201 || (status == 400 && text.contains("problem:invalid-body")), "\(text)")
            made += status == 201 ? 1 : 0
        }
        #expect(alerts.silences.count == made && made > 100)
        for silence in alerts.silences {
            #expect((1...20).contains(silence.matchers.count) && !silence.comment.isEmpty)
            #expect(silence.endsAt > silence.startsAt && silence.endsAt < Date() + 367 * 86_400)
            #expect(!silence.comment.unicodeScalars.contains { $0.properties.generalCategory == .control })
        }
    }
}
