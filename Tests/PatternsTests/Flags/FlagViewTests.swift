// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdPatterns

@Suite("FeatureFlags: evaluation", .unit, .timeLimit(.minutes(2)))
struct FlagViewTests {
    private struct Theme: Codable, FlagConvertible, Equatable {
        var color: String
        var sizes: [Int]
    }

    @Test("each evaluation has a reason")
    func reasons() {
        let pro = FeatureFlag.Rule(if: [.attribute("plan", equals: "pro")], serve: .variant("on"))
        let tenth = FeatureFlag.Rule(if: [.attribute("plan", equals: "team")], serve: .percentage(100))
        let flags = FlagView([
            "plain": FeatureFlag(), "off": FeatureFlag(isEnabled: false, rules: [pro]),
            "rules": FeatureFlag(rules: [pro, tenth], serve: .variant("off")),
            "share": FeatureFlag(serve: .percentage(100)),
        ])
        let (ann, bob) = (FlagContext("ann", attributes: ["plan": "pro"]), FlagContext("bob"))
        let team = FlagContext("tim", attributes: ["plan": "team"])
        let cases: [(String, FlagContext, Bool, String?, FlagReason)] = [
            ("plain", bob, true, "on", .static), ("off", ann, false, "off", .disabled),
            ("rules", ann, true, "on", .targetingMatch), ("rules", bob, false, "off", .default),
            ("rules", team, true, "on", .split), ("share", bob, true, "on", .split),
        ]
        for (name, context, value, variant, reason) in cases {
            let evaluation = flags.evaluate(name, default: !value, for: context)
            #expect(evaluation == FlagEvaluation(value: value, variant: variant, reason: reason, error: nil), "\(name)")
            #expect(flags.isEnabled(name, for: context) == value)
            #expect(flags.explain(name, for: context).last?.contains(reason.description) == true)
        }
        let missing = flags.evaluate("missing", default: true)
        #expect(missing.value && missing.reason == .error && missing.error?.code == .flagNotFound)
        #expect(!flags.isEnabled("missing"))
        let explanation = flags.explain("rules", for: team)
        #expect(explanation.count == 4 && explanation[0].contains("rule 1: plan does not match"))
    }

    @Test("a value of another type than that of a flag's variants is an error")
    func types() {
        let flags = FlagView([
            "int": FeatureFlag(variants: ["a": 3], serve: .variant("a")),
            "double": FeatureFlag(variants: ["a": 2.5], serve: .variant("a")),
            "string": FeatureFlag(variants: ["a": "x"], serve: .variant("a")),
            "json": FeatureFlag(variants: ["a": ["color": "red", "sizes": [1, 2]]], serve: .variant("a")),
            "off": FeatureFlag(isEnabled: false, variants: ["a": 3], serve: .variant("a")),
        ])
        #expect(flags.value("int", default: 0) == 3 && flags.value("int", default: 0.5) == 3)
        #expect(flags.value("double", default: 0.0) == 2.5 && flags.value("string", default: "") == "x")
        let theme = Theme(color: "none", sizes: [])
        #expect(flags.value("json", default: theme) == Theme(color: "red", sizes: [1, 2]))
        #expect(flags.value("json", default: FlagValue.int(0)) == ["color": "red", "sizes": [1, 2]])
        for name in ["double", "string", "json"] {
            let evaluation = flags.evaluate(name, default: 7)
            #expect(evaluation.value == 7 && evaluation.variant == nil && evaluation.reason == .error)
            #expect(evaluation.error?.code == .typeMismatch)
        }
        #expect(flags.value("int", default: theme) == theme)
        #expect(!flags.isEnabled("int"))
        // A flag that is off without a variant for that has the caller's default.
        #expect(
            flags.evaluate("off", default: 7) == FlagEvaluation(value: 7, variant: nil, reason: .disabled, error: nil)
        )
    }

    @Test("lists of allowed and denied users take precedence over the other rules")
    func lists() {
        let flags = FlagView([
            "flag": FeatureFlag(
                rules: [
                    .init(if: [.targetingKey(in: ["eve"])], serve: .variant("off")),
                    .init(if: [.targetingKey(in: ["ann", "eve"])], serve: .variant("on")),
                    .init(
                        if: [.attribute("plan", equals: "pro"), .attribute("age", atLeast: 18)],
                        serve: .variant("on")
                    ),
                ],
                serve: .variant("off")
            )
        ])
        func isOn(_ key: String, _ attributes: [String: FlagValue] = [:]) -> Bool {
            flags.isEnabled("flag", for: FlagContext(key, attributes: attributes))
        }
        #expect(isOn("ann") && !isOn("eve") && !isOn("bob"))
        #expect(isOn("bob", ["plan": "pro", "age": 18]) && !isOn("bob", ["plan": "pro", "age": 17]))
        #expect(!isOn("eve", ["plan": "pro", "age": 18]))
    }

    // MARK: Prerequisites

    private func requiring(_ flags: String...) -> FeatureFlag {
        var flag = FeatureFlag()
        for name in flags { flag.prerequisites[name] = "on" }
        return flag
    }

    @Test("a flag is off if a flag that it requires does not have the required variant")
    func prerequisites() {
        var base = FeatureFlag(rules: [.init(if: [.targetingKey(in: ["ann"])], serve: .variant("on"))])
        base.serving = .variant("off")
        let flags = FlagView([
            "base": base, "middle": requiring("base"), "top": requiring("middle", "plain"), "plain": FeatureFlag(),
            "orphan": requiring("missing"), "child": requiring("orphan"),
        ])
        #expect(flags.isEnabled("top", for: FlagContext("ann")))
        let bob = flags.evaluate("top", default: true, for: FlagContext("bob"))
        #expect(bob == FlagEvaluation(value: false, variant: "off", reason: .disabled, error: nil))
        #expect(flags.explain("top", for: FlagContext("bob")).contains("middle requires base to be on"))
        for name in ["orphan", "child"] {
            let evaluation = flags.evaluate(name, default: true)
            #expect(!evaluation.value && evaluation.reason == .error && evaluation.error?.code == .prerequisite)
            #expect(evaluation.error?.flag == name)
        }
        #expect(flags.errors.map(\.flag) == ["orphan"])
    }

    @Test("flags that require themselves are off, with the circle in the error, and all others are as they are")
    func circles() {
        let flags = FlagView([
            "a": requiring("b", "c"), "b": requiring("d"), "c": requiring("d"), "d": requiring("a"),
            "self": requiring("self"), "outside": requiring("c"), "plain": FeatureFlag(),
        ])
        for name in ["a", "b", "c", "d", "self"] {
            let evaluation = flags.evaluate(name, default: true)
            #expect(!evaluation.value && evaluation.reason == .error && evaluation.error?.code == .prerequisite)
            #expect(evaluation.error?.message.contains("requires itself") == true, "\(name)")
        }
        #expect(flags.errors.map(\.flag) == ["a", "b", "c", "d", "self"])
        #expect(flags.errors.last?.message == "it requires itself: self requires self")
        let outside = flags.evaluate("outside", default: true)
        #expect(!outside.value && outside.error?.code == .prerequisite)
        #expect(flags.isEnabled("plain"))
    }

    @Test("the work for one evaluation is bounded, however flags require each other")
    func bounds() {
        var flags: [String: FeatureFlag] = ["0a": FeatureFlag(), "0b": FeatureFlag(), "chain-0": FeatureFlag()]
        // To evaluate the top of this one by one would take 2^60 steps.
        for level in 1...60 {
            for side in ["a", "b"] { flags["\(level)\(side)"] = requiring("\(level - 1)a", "\(level - 1)b") }
        }
        for number in 1...3000 { flags["chain-\(number)"] = requiring("chain-\(number - 1)") }
        let view = FlagView(flags)
        #expect(view.isEnabled("4a") && view.isEnabled("chain-99"))
        for name in ["60a", "chain-100", "chain-3000"] {
            #expect(view.evaluate(name, default: true).error?.message.contains("more than 100 flags") == true)
        }
        #expect(!view.isEnabled("chain-101"))
    }
}
