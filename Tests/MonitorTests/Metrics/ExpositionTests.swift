// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct ExpositionTests {
    @Test func `A page of all types is read into its families`() throws {
        let page = try Exposition(
            parsing: """
                # HELP requests_total Calls so far.
                # TYPE requests_total counter
                requests_total{code="OK",method="Put"} 1.6777216e+07
                requests_total{code="Unavailable",method="Put"} 3 1790000000123
                # TYPE level gauge
                level -4.5
                # HELP seconds How long.
                # TYPE seconds histogram
                seconds_bucket{le="0.5"} 2
                seconds_bucket{le="+Inf"} 3
                seconds_sum 1.25
                seconds_count 3
                # TYPE pauses summary
                pauses{quantile="0.5"} 0.1
                pauses_sum 7
                pauses_count 9
                # TYPE anything untyped
                anything 1
                unannounced{a="b"} 2

                """.utf8
        )
        #expect(
            page.families.keys.sorted() == ["anything", "level", "pauses", "requests_total", "seconds", "unannounced"]
        )
        #expect(
            page.families.mapValues(\.kind) == [
                "requests_total": .counter, "level": .gauge, "seconds": .histogram, "pauses": .summary,
                "anything": .untyped, "unannounced": .untyped,
            ]
        )
        #expect(page.families["requests_total"]?.help == "Calls so far.")
        #expect(
            page.samples(of: "requests_total") == [
                Exposition.Sample("requests_total", ["code": "OK", "method": "Put"], 16_777_216),
                Exposition.Sample("requests_total", ["code": "Unavailable", "method": "Put"], 3),
            ]
        )
        #expect(page["level"] == -4.5)
        #expect(
            page.samples(of: "seconds").map(\.name) == [
                "seconds_bucket", "seconds_bucket", "seconds_sum", "seconds_count",
            ]
        )
        #expect(page.samples(of: "pauses").map(\.value) == [0.1, 7, 9])
        #expect(page.samples(of: "unannounced") == [Exposition.Sample("unannounced", ["a": "b"], 2)])
    }

    @Test func `Escapes are undone in labels and in help`() throws {
        let page = try Exposition(
            parsing: #"""
                # HELP a one\\two\nthree \"four\" \x
                a{b="q\"uote",c="back\\slash",d="new\nline",e="other\t"} 1
                """#.utf8
        )
        #expect(page.families["a"]?.help == "one\\two\nthree \\\"four\\\" \\x")
        #expect(
            page.samples(of: "a").first?.labels == [
                "b": "q\"uote", "c": "back\\slash", "d": "new\nline", "e": "other\\t",
            ]
        )
    }

    @Test(arguments: [
        "a{b=\"c\",} 1", "a{ b = \"c\" , } 1", "\ta\t{\tb\t=\t\"c\"}\t1\t", "a{b=\"c\"}1", "a{b=\"c\"} 1 123 ",
        "a{b=\"c\"} 1\r",
        "{\"a\",b=\"c\"} 1", "{ \"a\" , \"b\"=\"c\",} 1", "a{b=\"c\"} 1 # {trace_id=\"x\"} 0.5 1.5",
        "a{b=\"c\"} 1 2.5 # {} 3",
    ])
    func `Blanks, commas, quotes, timestamps and exemplars do not change a sample`(line: String) throws {
        let page = try Exposition(parsing: "\n \n# EOF\n#\n# a comment\n\(line)\n".utf8)
        #expect(page.families.count == 1)
        #expect(page.samples(of: "a") == [Exposition.Sample("a", ["b": "c"], 1)])
    }

    @Test func `Names in quotes may have any characters`() throws {
        let page = try Exposition(
            parsing: """
                # HELP "my.metric" Mine.
                # TYPE "my.metric" counter
                {"my.metric"} 4
                {"my.metric","where.from"="x",plain="y"} 5
                """.utf8
        )
        #expect(page.families["my.metric"]?.kind == .counter)
        #expect(page.families["my.metric"]?.help == "Mine.")
        #expect(page["my.metric"] == 4)
        #expect(page.samples(of: "my.metric").last?.labels == ["where.from": "x", "plain": "y"])
    }

    @Test func `Types of OpenMetrics are read as the nearest ones`() throws {
        let page = try Exposition(
            parsing: """
                # TYPE u unknown
                u 1
                # TYPE i info
                i_info{v="1"} 1
                # TYPE s stateset
                s{s="on"} 1
                # TYPE g gaugehistogram
                # UNIT g bytes
                g_bucket{le="+Inf"} 2
                g_gcount 2
                g_gsum 9
                # TYPE later nativehistogram
                later 3
                # TYPE h histogram
                h_bucket{le="+Inf"} 1 # {id="7"} 0.3 1.1
                h_created 1.5
                # EOF
                """.utf8
        )
        #expect(page.families["u"]?.kind == .untyped)
        #expect(page.families["i"]?.kind == .gauge)
        #expect(page.families["s"]?.kind == .gauge)
        #expect(page.families["g"]?.kind == .histogram)
        #expect(page.samples(of: "g").count == 3)
        #expect(page["later"] == 3)
        #expect(page.samples(of: "h").map(\.name) == ["h_bucket", "h_created"])
    }

    @Test func `A family that is split is put together`() throws {
        let page = try Exposition(
            parsing: """
                # TYPE h histogram
                h_bucket{le="1"} 1
                other 5
                h_bucket{le="+Inf"} 2
                # TYPE h_sum gauge
                another 6
                h_count 2
                # TYPE h counter
                # HELP h Late help.
                # HELP h Later help.
                """.utf8
        )
        #expect(page.samples(of: "h").map(\.value) == [1, 2, 2])
        #expect(page.families["h"]?.kind == .histogram)
        #expect(page.families["h"]?.help == "Late help.")
        #expect(page.families["h_sum"]?.samples == [])
    }

    @Test func `Names with the suffixes of a histogram are families of their own if there is no histogram`() throws {
        let page = try Exposition(parsing: "a_count 1\n# TYPE b gauge\nb 2\nb_sum 3\n".utf8)
        #expect(page["a_count"] == 1)
        #expect(page["b"] == 2)
        #expect(page["b_sum"] == 3)
    }

    @Test(arguments: [
        ("1", 1.0), ("-0.5", -0.5), ("+3", 3), (".5", 0.5), ("5.", 5), ("1e-3", 0.001), ("1E3", 1000),
        ("+Inf", .infinity), ("inf", .infinity), ("-Inf", -.infinity), ("Infinity", .infinity),
        ("0.1", 0.1), ("123456789.123456789", 123456789.123456789), ("5e-324", .leastNonzeroMagnitude),
    ])
    func `Numbers are read as Go writes them`(text: String, value: Double) throws {
        #expect(try Exposition(parsing: "a \(text)".utf8)["a"] == value)
    }

    @Test func `NaN is a value`() throws {
        #expect(try Exposition(parsing: "a NaN".utf8)["a"]?.isNaN == true)
    }

    @Test(arguments: ["1_000", "0x1p3", "1e", "--1", "1,5", "one", "nan(3)", "1d", "\u{661}"])
    func `Other numbers are refused`(text: String) {
        #expect(throws: ExpositionError.self) { try Exposition(parsing: "a \(text)".utf8) }
    }

    @Test func `Families that are not kept take no memory, and their lines are not parsed`() throws {
        var asked: [String] = []
        let text = """
            # HELP no Not this one.
            # TYPE no histogram
            no_bucket{le="1"} nonsense
            no_sum }{
            # TYPE yes gauge
            yes 1
            no_count 5
            neither{ 3
            """
        let page = try Exposition(parsing: text.utf8) { name in
            asked.append(String(name))
            return name == "yes"
        }
        #expect(page.families.keys.sorted() == ["yes"])
        #expect(asked == ["no", "yes", "neither"])
        #expect(throws: ExpositionError.self) { try Exposition(parsing: text.utf8) }
    }
}
