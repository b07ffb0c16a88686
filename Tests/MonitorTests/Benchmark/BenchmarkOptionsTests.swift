// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct BenchmarkOptionsTests {
    struct Case: Sendable, CustomStringConvertible {
        let description: String
        let change: @Sendable (inout BenchmarkOptions) -> Void

        init(_ description: String, _ change: @escaping @Sendable (inout BenchmarkOptions) -> Void) {
            self.description = description
            self.change = change
        }
    }

    @Test(arguments: [
        Case("no operations") { $0.amount = .operations(0) },
        Case("fewer operations than none") { $0.amount = .operations(.min) },
        Case("no time") { $0.amount = .duration(.zero) },
        Case("no connections") { $0.connections = 0 },
        Case("too many connections") { $0.connections = 10_001 },
        Case("no callers") { $0.callers = 0 },
        Case("a rate of zero") { $0.rate = 0 },
        Case("a rate that is no number") { $0.rate = .nan },
        Case("a rate without end") { $0.rate = .infinity },
        Case("a rate of leases") {
            $0 = BenchmarkOptions(.leases); $0.rate = 1
        },
        Case("keys of no bytes") { $0.keySize = 0 },
        Case("keys that are too short for their number") {
            $0.keySize = 2; $0.keySpace = 101
        },
        Case("deletions with keys that are too short") {
            $0 = BenchmarkOptions(.delete)
            $0.keySize = 2
            $0.amount = .operations(101)
        },
        Case("too many deletions for the memory") {
            $0 = BenchmarkOptions(.delete); $0.amount = .operations(.max)
        },
        Case("more than a gigabyte of keys") {
            $0.keySize = 1001; $0.keySpace = 1_100_000
        },
        Case("no keys") { $0.keySpace = 0 },
        Case("values of less than no bytes") { $0.valueSize = -1 },
        Case("events without room for a time") {
            $0 = BenchmarkOptions(.watch); $0.valueSize = 7
        },
        Case("a share of more than all") { $0.readRatio = 1.01 },
        Case("a share that is no number") { $0.readRatio = .nan },
        Case("ranges of nothing") { $0.rangeLimit = 0 },
        Case("an empty prefix") { $0.prefix = "" },
        Case("a negative quota") { $0.quota = -1 },
    ])
    func `Invalid options are refused with a reason`(change: Case) throws {
        var options = BenchmarkOptions(.write)
        change.change(&options)
        let configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        let error = #expect(throws: EtcdError.self) { try Benchmark(configuration, options) }
        #expect(error?.code == .invalidArgument && error?.message.isEmpty == false)
    }

    @Test(arguments: [
        Case("the smallest") {
            $0.amount = .operations(1)
            $0.callers = 1
            $0.keySize = 1
            $0.keySpace = 10
            $0.valueSize = 0
        },
        Case("endless operations") { $0.amount = .operations(.max) },
        Case("an endless duration") { $0.amount = .duration(.seconds(Int64.max)) },
        Case("a rate beyond everything") { $0.rate = 1e300 },
    ])
    func `Options at their limits are accepted`(change: Case) throws {
        var options = BenchmarkOptions(.write)
        change.change(&options)
        _ = try Benchmark(EtcdClient.Configuration(endpoints: "127.0.0.1:1"), options)
    }

    @Test func `JSON gives the same options back, and missing ones have their defaults`() throws {
        var options = BenchmarkOptions(.range)
        options.amount = .duration(.milliseconds(2500))
        options.connections = 2
        options.callers = 3
        options.rate = 4.5
        options.keySize = 6
        options.valueSize = 7
        options.keySpace = 8
        options.keyOrder = .random
        options.serializable = true
        options.readRatio = 0.25
        options.rangeLimit = 9
        options.seed = 10
        options.onLoop = true
        options.prefix = "a/b/"
        options.quota = 11
        #expect(try JSONDecoder().decode(BenchmarkOptions.self, from: JSONEncoder().encode(options)) == options)
        let short = try JSONDecoder().decode(BenchmarkOptions.self, from: Data(#"{"kind": "lock"}"#.utf8))
        #expect(short == BenchmarkOptions(.lock))
    }

    @Test func `Keys are the prefix and a number with a fixed count of digits`() {
        var options = BenchmarkOptions(.read)
        options.keySpace = 11
        options.keySize = 3
        let keys = BenchmarkKeys(options, prefix: "p/")
        #expect(keys.keys.count == 11 && keys.keys.first == "p/000" && keys.keys.last == "p/010")
        for key in keys.keys { #expect(keys.numbered.contains(key)) }
        #expect(!keys.numbered.contains(keys.marker) && keys.marker < keys.start)
        #expect(keys.lock(12) == "p/lock/00000012" && keys.lock(.max).bytes.count == 26)
        #expect(KeyRange.between(keys.start, keys.end).contains(keys.lock(12)))
        #expect(keys.end == "p0")
    }

    @Test func `A value contains the time of its put`() {
        let template = [UInt8](repeating: 1, count: 10)
        for time in [0, 1, 0x0123_4567_89ab_cdef, UInt64.max] {
            let value = TimeStamp.value(template, time: time)
            #expect(TimeStamp.time(of: value) == time && value.bytes.suffix(2) == [1, 1])
        }
        #expect(TimeStamp.time(of: "1234567") == nil)
    }
}
