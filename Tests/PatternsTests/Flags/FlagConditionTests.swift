// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdPatterns

@Suite("FeatureFlag: conditions", .unit, .timeLimit(.minutes(2)))
struct FlagConditionTests {
    typealias Condition = FeatureFlag.Condition

    private static let context = FlagContext(
        "user-7",
        attributes: [
            "plan": "pro", "age": 41, "score": 7.5, "email": "ann@example.com", "groups": ["a", 2], "beta": true,
            "app": "2.10.0", "zero": 0.0, "targetingKey": "not this",
        ]
    )

    @Test(
        "hold, and their opposites do not",
        arguments: [
            .attribute("plan", equals: "pro"), .attribute("plan", in: ["team", "pro"]),
            .attribute("age", equals: 41.0), .attribute("zero", equals: 0), .attribute("beta", equals: true),
            .attribute("groups", equals: ["a", 2]), .attribute("groups", contains: "a"),
            .attribute("groups", contains: 2.0), .attribute("email", contains: "@ex"),
            .attribute("email", startsWith: "ann"), .attribute("email", endsWith: ".com"),
            .attribute("age", below: 41.5), .attribute("age", atLeast: 41), .attribute("score", atLeast: 7.5),
            Condition(attribute: "age", relation: "<=", values: [41]),
            Condition(attribute: "age", relation: ">", values: [50, 40]),
            .version("app", atLeast: "2.9"), .version("app", below: "2.10.1-rc.1"),
            Condition(attribute: "app", relation: "semver=", values: ["2.10"]),
            Condition(attribute: "app", relation: "semver>", values: ["2.10.0-rc.1"]),
            Condition(attribute: "app", relation: "semver<=", values: ["2.10.0+build"]),
            .targetingKey(in: ["user-7"]), .exists("plan"), .not(.exists("country")),
        ] as [Condition]
    )
    func hold(_ condition: Condition) throws {
        #expect(try FlagMatcher(condition).matches(Self.context))
        #expect(try !FlagMatcher(.not(condition)).matches(Self.context))
    }

    @Test(
        "do not hold, but their opposites do",
        arguments: [
            .attribute("plan", equals: "free"), .attribute("plan", in: ["Pro", "team"]),
            .attribute("age", equals: "41"), .attribute("groups", contains: "b"), .attribute("email", contains: 7),
            .attribute("age", below: 41), .attribute("age", atLeast: 41.1), .version("app", below: "2.9.9"),
            .version("app", atLeast: "10"), .targetingKey(in: ["not this"]),
        ] as [Condition]
    )
    func doNotHold(_ condition: Condition) throws {
        #expect(try !FlagMatcher(condition).matches(Self.context))
        #expect(try FlagMatcher(.not(condition)).matches(Self.context))
    }

    @Test(
        "do not hold, and neither do their opposites, if the attribute is missing or of another type",
        arguments: [
            .attribute("country", equals: "de"), .attribute("plan", below: 3), .attribute("age", startsWith: "4"),
            .attribute("age", contains: 4), .version("plan", atLeast: "1"), .version("score", atLeast: "1"),
        ] as [Condition]
    )
    func neither(_ condition: Condition) throws {
        #expect(try !FlagMatcher(condition).matches(Self.context))
        #expect(try !FlagMatcher(.not(condition)).matches(Self.context))
    }

    @Test(
        "that are invalid make no rule match, and the evaluation reports them",
        arguments: [
            (Condition(attribute: "age", relation: "near", values: [41]), "unknown operator \"near\""),
            (Condition(attribute: "age", relation: "<", values: ["x"]), "needs a number"),
            (Condition(attribute: "plan", relation: "startsWith", values: [1]), "needs a text"),
            (Condition(attribute: "app", relation: "semver<", values: ["two"]), "needs a version"),
            (Condition(attribute: "plan", relation: "in", values: []), "without values"),
        ]
    )
    func mistakes(_ condition: Condition, _ message: String) {
        let flag = FeatureFlag(
            rules: [
                .init(if: [condition], serve: .variant("on")),
                .init(if: [.attribute("plan", equals: "team")], serve: .variant("on")),
            ],
            serve: .variant("off")
        )
        let flags = FlagView(["flag": flag, "other": FeatureFlag()])
        let evaluation = flags.evaluate("flag", default: true, for: Self.context)
        #expect(!evaluation.value && evaluation.variant == "off" && evaluation.reason == .error)
        #expect(evaluation.error?.code == .invalidDefinition)
        #expect(evaluation.error?.message.contains("rule 1") == true)
        #expect(evaluation.error?.message.contains(message) == true, "\(String(describing: evaluation.error))")
        #expect(flags.errors == [evaluation.error])
        // A rule behind it still counts.
        let team = flags.evaluate("flag", default: false, for: FlagContext("u", attributes: ["plan": "team"]))
        #expect(team.value && team.reason == .error)
        #expect(flags.evaluate("other", default: false).error == nil)
    }

    @Test("versions are in the order of semver.org")
    func versions() throws {
        let ordered = [
            "0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
            "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10.0", "2", "18446744073709551615.0.0",
        ]
        let versions = try ordered.map { try #require(SemanticVersion($0)) }
        for (index, version) in versions.enumerated() {
            for (other, right) in versions.enumerated() { #expect((version < right) == (index < other)) }
        }
        #expect(SemanticVersion("1.2") == SemanticVersion("1.2.0+build.7"))
        for text in ["", "1.", ".1", "1.2.3.4", "v1", "1.x", "-1", "1.0-", "1.0-a..b", "99999999999999999999", "1 "] {
            #expect(SemanticVersion(text) == nil, "\(text)")
        }
    }
}
