// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("FeatureFlag", .unit, .timeLimit(.minutes(2)))
struct FeatureFlagTests {
    private static let whole: FeatureFlag = {
        var flag = FeatureFlag(
            isEnabled: false,
            variants: ["a": 1, "b": 2.5, "c": ["x": [true, "y"]]],
            rules: [
                .init(if: [.not(.attribute("plan", in: ["free", 3])), .exists("age")], serve: .variant("b")),
                .init(if: [], serve: .split(["a": 1, "b": 2], by: "org")),
            ],
            serve: .percentage(12.5, of: "a", otherwise: "b"),
            off: "c"
        )
        flag.description = "what it is for"
        flag.prerequisites = ["other": "on"]
        flag.rolloutGroup = "g"
        return flag
    }()

    @Test("a written flag is read back as it was")
    func roundTrip() throws {
        var nothingWhenOff = FeatureFlag()
        nothingWhenOff.offVariant = nil
        var onWhenOff = FeatureFlag()
        onWhenOff.offVariant = "on"
        for flag in [
            FeatureFlag(), FeatureFlag(isEnabled: false), FeatureFlag(serve: .percentage(10)), Self.whole,
            nothingWhenOff, onWhenOff, FeatureFlag(variants: ["a": "x"], serve: .variant("a")),
        ] {
            let stored = try flag.stored(as: "flag")
            #expect(try FeatureFlag(stored, of: "flag") == flag, "\(stored)")
        }
        #expect(try FeatureFlag().stored(as: "flag") == "true")
        #expect(try FeatureFlag(isEnabled: false).stored(as: "flag") == "false")
        let tenth = try FeatureFlag(serve: .percentage(10)).stored(as: "flag")
        #expect(
            tenth
                == #"{"enabled":true,"serve":{"split":[{"variant":"on","weight":10000},{"variant":"off","weight":90000}]}}"#
        )
    }

    @Test("a definition written by hand is read")
    func handwritten() throws {
        #expect(try FeatureFlag(" true\n", of: "flag") == FeatureFlag())
        #expect(try FeatureFlag("{}", of: "flag") == FeatureFlag())
        let flag = try FeatureFlag(
            """
            {
              "rules": [{"if": [{"attribute": "plan", "operator": "in", "values": ["pro"]}], "serve": "on"}],
              "serve": {"split": [{"variant": "on", "weight": 1}, {"variant": "off", "weight": 9}], "by": "org"}
            }
            """,
            of: "flag"
        )
        #expect(flag.rules == [.init(if: [.attribute("plan", in: ["pro"])], serve: .variant("on"))])
        #expect(flag.serving == .split(["on": 1, "off": 9], by: "org"))
    }

    @Test(
        "an invalid definition is refused with the reason and the place",
        arguments: [
            ("", ""), ("yes", "yes"), ("null", ""), ("1", ""), (#"{"rulez": []}"#, "unknown name at .rulez"),
            (#"{"enabled": "yes"}"#, ".enabled"), (#"{"variants": {"a": 1}}"#, "\"serve\" is missing"),
            (#"{"variants": {"a": null}, "serve": "a"}"#, "null is no value of a flag at .variants.a"),
            (#"{"rules": [{"serve": "on"}, {}]}"#, "\"serve\" is missing at .rules[1]"),
            (
                #"{"rules": [{"serve": {"split": [{"variant": "on", "weight": 1.5}]}}]}"#,
                "1.5"
            ),
            (
                #"{"variants": {"a": \#(String(repeating: "[", count: 400) + String(repeating: "]", count: 400))}, "serve": "a"}"#,
                "nested"
            ),
        ]
    )
    func refused(_ text: String, _ hint: String) throws {
        let error = #expect(throws: FlagError.self) { try FeatureFlag(Value(text), of: "flag") }
        #expect(error?.flag == "flag" && error?.code == .invalidDefinition)
        #expect(error?.message.contains(hint) == true, "\(String(describing: error))")
    }

    @Test(
        "a flag that could serve a missing variant has the caller's default",
        arguments: [
            FeatureFlag(serve: .variant("blue")), FeatureFlag(rules: [.init(if: [], serve: .variant("blue"))]),
            FeatureFlag(variants: ["a": true], serve: .variant("a"), off: "b"), FeatureFlag(serve: .split([:])),
            FeatureFlag(serve: .split(["on": -1, "off": 2])), FeatureFlag(serve: .split(["on": .max, "off": .max])),
            FeatureFlag(serve: .split(["on": 1, "blue": 0])),
        ]
    )
    func unservable(_ flag: FeatureFlag) {
        let flags = FlagView(["flag": flag, "other": FeatureFlag()])
        let evaluation = flags.evaluate("flag", default: true)
        #expect(evaluation.value && evaluation.reason == .error && evaluation.error?.code == .invalidDefinition)
        #expect(flags.errors == [evaluation.error])
        #expect(flags.allFlags.keys.sorted() == ["other"])
        #expect(flags.isEnabled("other"))
    }

    @Test("hostile bytes in a definition do not trap")
    func hostileBytes() throws {
        let valid = try Self.whole.stored(as: "flag").bytes
        var state: UInt64 = 1
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let context = FlagContext("user", attributes: ["plan": "pro", "age": 3, "org": "o"])
        var usable = 0
        for _ in 0..<3000 {
            var bytes = valid
            for _ in 0...random(3) {
                let place = random(bytes.count)
                switch random(3) {
                case 0: bytes[place] = UInt8(random(256))
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place...].prefix(random(20)), at: random(bytes.count))
                }
            }
            guard var flag = try? FeatureFlag(Value(bytes: bytes), of: "flag") else { continue }
            flag.isEnabled = true
            usable += 1
            let flags = FlagView(["flag": flag, "other": FeatureFlag()])
            _ = flags.evaluate("flag", default: 0, for: context)
            _ = flags.explain("flag")
            #expect(flags.isEnabled("other"))
        }
        #expect(usable > 50)
    }
}
