// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("Configuration: values as text", .unit)
struct ConfigConvertibleTests {
    private enum Level: String, ConfigConvertible { case debug, info }

    private func roundTrip<Wanted: ConfigConvertible & Equatable>(_ value: Wanted, _ text: String) {
        #expect(value.configValue.string == text)
        #expect(Wanted(configValue: value.configValue) == value)
    }

    @Test("values are written as plain text, and read back as they were")
    func roundTrips() {
        roundTrip("localhost", "localhost")
        roundTrip("", "")
        roundTrip(" a \n", " a \n")
        roundTrip("\"quoted\"", #""\"quoted\"""#)
        roundTrip("\"", #""\"""#)
        roundTrip("5432", "5432")
        for number in [0, 5432, -1, .max, .min] { roundTrip(number, "\(number)") }
        for number in [0.0, 0.1, -1e300, .leastNonzeroMagnitude] { roundTrip(number, "\(number)") }
        roundTrip(true, "true")
        roundTrip(false, "false")
        roundTrip(Level.debug, "debug")
        #expect([UInt8](configValue: Value(bytes: [0xff, 0])) == [0xff, 0])
        #expect([0xff, 0].configValue == Value(bytes: [0xff, 0]))
    }

    @Test("values of other programs are read: JSON, surrounding spaces, capital letters")
    func lenience() {
        #expect(String(configValue: #""a\nb""#) == "a\nb")
        #expect(String(configValue: #""cut"#) == #""cut"#)
        #expect(Int(configValue: " 5432\n") == 5432)
        #expect(Int(configValue: #""5432""#) == 5432)
        #expect(Bool(configValue: "True\n") == true)
        #expect(Bool(configValue: #""false""#) == false)
        #expect(Double(configValue: "1e-3") == 0.001)
        #expect(Double(configValue: "3") == 3)
        #expect(Level(configValue: #""info""#) == .info)
    }

    @Test("a value of another type is not read")
    func refusals() {
        for text: Value in ["", "x", "1.5", "0x10", "9223372036854775808", "1 2", "nan"] {
            #expect(Int(configValue: text) == nil, "\(text)")
        }
        for text: Value in ["", "nan", "inf", "0x1p3", "1e999", "1,5"] {
            #expect(Double(configValue: text) == nil, "\(text)")
        }
        for text: Value in ["", "1", "yes", "truee"] { #expect(Bool(configValue: text) == nil, "\(text)") }
        #expect(String(configValue: Value(bytes: [0xff])) == nil)
        #expect(Level(configValue: "trace") == nil)
    }

    @Test("durations are written as seconds, and read as Go writes them")
    func durations() {
        roundTrip(Duration.seconds(90), "90s")
        roundTrip(Duration.milliseconds(250), "0.25s")
        roundTrip(Duration.milliseconds(-1), "-0.001s")
        roundTrip(Duration.zero, "0s")
        roundTrip(Duration(secondsComponent: 1, attosecondsComponent: 1), "1.000000000000000001s")
        let texts: [(Value, Duration)] = [
            ("30", .seconds(30)), ("1.5", .milliseconds(1500)), ("1h30m", .seconds(5400)),
            ("2.5s", .milliseconds(2500)),
            ("250ms", .milliseconds(250)), ("1m0.5s", .milliseconds(60_500)), ("7us", .microseconds(7)),
            ("7µs", .microseconds(7)), ("9ns", .nanoseconds(9)), ("-2m", .seconds(-120)), ("+1s", .seconds(1)),
            (" \"10s\" ", .seconds(10)), (".5s", .milliseconds(500)),
        ]
        for (text, duration) in texts { #expect(Duration(configValue: text) == duration, "\(text)") }
        let digits = String(repeating: "9", count: 60)
        for text in [
            "", "s", "-", "1x", "1.2.3s", ".s", "1s2", "1 s", "\(digits)", "\(digits)h", "9223372036854775807s",
        ] {
            #expect(Duration(configValue: Value(text)) == nil, "\(text)")
        }
        // It also writes each value that it can hold.
        let longest = Duration(configValue: "2562047788015215h")
        #expect(longest.flatMap { Duration(configValue: $0.configValue) } == longest)
        #expect(longest != nil)
    }

    @Test("a stored state is read back as it was, and anything else is refused")
    func states() throws {
        let values: [Key: Value] = [
            "a": "1", "b/c": "", "ü": Value(bytes: [0, 10, 255]), Key(bytes: [255, 32]): "x\n1 1\n",
        ]
        let bytes = ConfigState(values).encoded
        let read = try ConfigState(decoding: bytes).values
        #expect(Dictionary(read.map { ($0.key, $0.value) }) { $1 } == values)
        #expect(try ConfigState(decoding: []).values.isEmpty)
        for count in 1..<bytes.count {
            // A state that is cut off between two values is whole; its sum is not.
            if let part = try? ConfigState(decoding: Array(bytes.prefix(count))) {
                #expect(part.values.count < values.count)
            }
        }
        for text in ["1", "1 1", "1 1\n", "-1 1\na\nb\n", "1 9223372036854775807\na\nb\n", "1\na\n", "1 1\nab\n"] {
            #expect(throws: ConfigError.self, "\(text)") { try ConfigState(decoding: Array(text.utf8)) }
        }
    }
}
