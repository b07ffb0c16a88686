// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct CounterLogTests {
    private let puts = "etcd_mvcc_put_total"
    private let received = "etcd_network_peer_received_bytes_total"
    private let committed = "etcd_server_proposals_committed_total"
    private let fsync = "etcd_disk_wal_fsync_duration_seconds"

    private func page(_ lines: String..., start: Double? = nil) throws -> Exposition {
        let start = start.map { "process_start_time_seconds \($0)" } ?? ""
        return try Exposition(parsing: (lines + [start]).joined(separator: "\n").utf8)
    }

    private func log(_ pages: (Int, Exposition)..., window: Duration = .seconds(900)) -> CounterLog {
        var log = CounterLog(window: window)
        for (seconds, page) in pages { log.add(page, at: .seconds(seconds)) }
        return log
    }

    @Test func `The increase is that between the first and the last reading of the window`() throws {
        let log = log(
            (10, try page("\(puts) 100")),
            (20, try page("\(puts) 130")),
            (30, try page("\(puts) 170"))
        )
        #expect(log.increase(of: puts, over: .seconds(60))?.amount == 70)
        #expect(log.increase(of: puts, over: .seconds(60))?.seconds == 20)
        #expect(log.increase(of: puts, over: .seconds(10))?.amount == 40)
        #expect(log.increase(of: puts, over: .seconds(9)) == nil)
        #expect(log.increase(of: "etcd_mvcc_txn_total", over: .seconds(60)) == nil)
        #expect(CounterLog(window: .seconds(9)).increase(of: puts, over: .seconds(60)) == nil)
        #expect(log.restarts.isEmpty)
    }

    @Test func `A page that is not newer is ignored`() throws {
        let log = log((10, try page("\(puts) 1")), (10, try page("\(puts) 5")), (5, try page("\(puts) 9")))
        #expect(log.readingCount == 1)
        #expect(log.newest == .seconds(10))
    }

    @Test func `Counts from before a restart are kept`() throws {
        let log = log(
            (10, try page("\(puts) 100", "\(received){From=\"a\"} 10", start: 1)),
            (20, try page("\(puts) 130", "\(received){From=\"a\"} 20", start: 1)),
            (30, try page("\(puts) 7", "\(received){From=\"a\"} 25", start: 25)),
            (40, try page("\(puts) 9", "\(received){From=\"a\"} 26", start: 25))
        )
        // The second counter has not fallen, but it is of the new process too.
        #expect(log.increase(of: puts, over: .seconds(60))?.amount == 39)
        #expect(log.increase(of: received, over: .seconds(60))?.amount == 36)
        #expect(log.restarts == [.seconds(30)])
    }

    @Test func `Without a start time, a counter that falls indicates a restart`() throws {
        let log = log((10, try page("\(puts) 100")), (20, try page("\(puts) 40")))
        #expect(log.increase(of: puts, over: .seconds(60))?.amount == 40)
        #expect(log.restarts == [.seconds(20)])
    }

    @Test func `A change of the clock is not a restart`() throws {
        let cpu = "process_cpu_seconds_total"
        let same = log(
            (10, try page("\(puts) 100", "\(cpu) 50", start: 1000)),
            (20, try page("\(puts) 101", "\(cpu) 51", start: 4600))
        )
        #expect(same.restarts.isEmpty)
        #expect(same.increase(of: puts, over: .seconds(60))?.amount == 1)
        let other = log(
            (10, try page("\(puts) 100", "\(cpu) 50", start: 1000)),
            (20, try page("\(puts) 101", "\(cpu) 0.5", start: 4600))
        )
        #expect(other.restarts == [.seconds(20)])
        #expect(other.increase(of: puts, over: .seconds(60))?.amount == 101)
    }

    @Test func `A process of a short life that follows another one is a restart`() throws {
        let cpu = "process_cpu_seconds_total"
        func restarts(_ start: Double, _ used: Double) throws -> [Duration] {
            log(
                (10, try page("\(cpu) 0.1", start: 1000)),
                (12, try page("\(cpu) 0.2", start: 1000)),
                (14, try page("\(cpu) \(used)", start: start))
            ).restarts
        }
        #expect(try restarts(1003, 0.3) == [.seconds(14)])
        // A clock that was set by less than the process was seen to run, or back.
        #expect(try restarts(1001.9, 0.3).isEmpty)
        #expect(try restarts(900, 0.3).isEmpty)
        // More than two processors can have done in the pause.
        #expect(try restarts(1003, 4.1).isEmpty)
    }

    @Test func `A restart is remembered as long as the window`() throws {
        var log = log(
            (10, try page("\(puts) 5", start: 1)),
            (20, try page("\(puts) 5", start: 15)),
            window: .seconds(60)
        )
        #expect(log.restarts == [.seconds(20)])
        log.add(try page("\(puts) 5", start: 15), at: .seconds(80))
        #expect(log.restarts == [.seconds(20)])
        log.add(try page("\(puts) 5", start: 15), at: .seconds(81))
        #expect(log.restarts.isEmpty)
    }

    @Test func `The index of the log goes on after a restart, and a late first reading adds no count`() throws {
        let log = log(
            (10, try page("\(committed) 1000", start: 1)),
            (20, try page("\(committed) 0", start: 15)),
            (30, try page("\(committed) 1005", start: 15))
        )
        #expect(log.increase(of: committed, over: .seconds(60))?.amount == 5)
        let late = self.log((10, try page("\(puts) 1")), (20, try page("\(puts) 1", "\(committed) 1000")))
        #expect(late.increase(of: committed, over: .seconds(60))?.amount == 0)
    }

    @Test func `A series that comes later has counted from zero`() throws {
        let handled = "grpc_server_handled_total"
        let log = log(
            (10, try page("\(handled){grpc_code=\"OK\"} 100", "\(handled){grpc_code=\"Unknown\"} 0")),
            (20, try page("\(handled){grpc_code=\"OK\"} 110", "\(handled){grpc_code=\"Unknown\"} 3")),
            (30, try page("\(handled){grpc_code=\"OK\"} 110", "\(handled){grpc_code=\"Internal\"} 2"))
        )
        #expect(log.increase(of: handled, over: .seconds(60))?.amount == 15)
        #expect(log.increase(of: handled, over: .seconds(60)) { $0["grpc_code"] != "OK" }?.amount == 5)
        #expect(log.increase(of: handled, over: .seconds(60)) { $0["grpc_code"] == "DataLoss" }?.amount == 0)
        let each = log.increases(of: handled, over: .seconds(60))
        #expect(
            Dictionary(uniqueKeysWithValues: each.map { ($0.labels["grpc_code"] ?? "", $0.amount) }) == [
                "OK": 10, "Unknown": 3, "Internal": 2,
            ]
        )
    }

    @Test func `A series that went away and came back has counted from zero`() throws {
        let log = log(
            (10, try page("\(puts) 1", "\(received){From=\"a\"} 10")),
            (20, try page("\(puts) 1")),
            (30, try page("\(puts) 1", "\(received){From=\"a\"} 15"))
        )
        #expect(log.increase(of: received, over: .seconds(60))?.amount == 15)
    }

    @Test func `A histogram of a window has only the observations of the window`() throws {
        func buckets(_ low: Int, _ high: Int) -> String {
            """
            # TYPE \(fsync) histogram
            \(fsync)_bucket{le="0.001"} 0
            \(fsync)_bucket{le="0.002"} \(low)
            \(fsync)_bucket{le="+Inf"} \(high)
            \(fsync)_sum \(high)
            \(fsync)_count \(high)
            """
        }
        let log = log(
            (10, try page(buckets(500, 1000))),
            (20, try page(buckets(510, 1010))),
            (30, try page(buckets(510, 1020)))
        )
        #expect(
            log.histogram(fsync, over: .seconds(60))
                == HistogramReading([0.001: 0, 0.002: 10, .infinity: 20], sum: 20, count: 20)
        )
        #expect(log.histogram(fsync, over: .seconds(60))?.quantile(0.25) == 0.0015)
        #expect(log.histogram(fsync, over: .seconds(10))?.buckets.map(\.count) == [0, 0, 10])
        #expect(log.histogram(fsync, over: .seconds(60), where: ["To": "a"]) == nil)
        #expect(log.histogram(puts, over: .seconds(60)) == nil)
    }

    @Test func `A counter is flat since its last growth`() throws {
        func bytes(_ a: Int, _ b: Int?) throws -> Exposition {
            try page("\(received){From=\"a\"} \(a)", b.map { "\(received){From=\"b\"} \($0)" } ?? "")
        }
        var log = log((10, try bytes(100, 100)))
        let isFromA: ([String: String]) -> Bool = { $0["From"] == "a" }
        #expect(log.flatSince(of: received, where: isFromA) == nil)
        log.add(try bytes(100, 110), at: .seconds(20))
        #expect(log.flatSince(of: received, where: isFromA) == .seconds(10))
        #expect(log.flatSince(of: received) { _ in true } == nil)
        log.add(try bytes(101, 110), at: .seconds(30))
        #expect(log.flatSince(of: received, where: isFromA) == nil)
        log.add(try bytes(101, nil), at: .seconds(40))
        #expect(log.flatSince(of: received, where: isFromA) == .seconds(30))
        #expect(log.flatSince(of: received) { $0["From"] == "b" } == nil)
        #expect(log.flatSince(of: puts) { _ in true } == nil)
    }

    @Test func `A counter of a process that has just begun is not flat`() throws {
        var log = log((10, try page("\(puts) 5", start: 1)), (20, try page("\(puts) 5", start: 1)))
        #expect(log.flatSince(of: puts) { _ in true } == .seconds(10))
        log.add(try page("\(puts) 0", start: 25), at: .seconds(30))
        #expect(log.flatSince(of: puts) { _ in true } == nil)
        log.add(try page("\(puts) 0", start: 25), at: .seconds(40))
        #expect(log.flatSince(of: puts) { _ in true } == .seconds(30))
    }

    @Test func `A counter that is no longer on a page is unknown, and old readings are ignored`() throws {
        var log = log((10, try page("\(puts) 5", "\(received){From=\"a\"} 0")), (20, try page("\(puts) 5")))
        #expect(log.increase(of: received, over: .seconds(60)) == nil)
        log.add(try page("\(puts) 100"), at: .seconds(2000))
        #expect(log.increase(of: puts, over: .seconds(5000)) == nil)
        log.add(try page("\(puts) 103"), at: .seconds(2010))
        #expect(log.increase(of: puts, over: .seconds(5000))?.amount == 3)
    }

    @Test func `Hours of pages take no more room than minutes, and answers stay close`() throws {
        var log = CounterLog(window: .seconds(900))
        var text = ""
        for index in 0..<200 { text += "\(received){From=\"\(index)\"} 1\n" }
        let idle = try Exposition(parsing: text.utf8).families
        var most = 0
        for second in 0..<3000 {
            var families = Array(idle.values)
            families.append(Exposition.Family(puts, .counter, [Exposition.Sample(puts, [:], Double(second * 3))]))
            log.add(Exposition(families), at: .seconds(second))
            most = max(most, log.readingCount)
            guard second > 900, second.isMultiple(of: 97) else { continue }
            for window in [5, 60, 300, 900] {
                let increase = try #require(log.increase(of: puts, over: .seconds(window)))
                #expect(increase.amount == increase.seconds * 3)
                #expect(increase.seconds <= Double(window))
                #expect(increase.seconds >= Double(window) * 0.89 - 1)
            }
        }
        #expect(most < 140)
        #expect(log.columnCount == 1)
    }

    @Test func `Series that are gone are forgotten, and their number has a limit`() throws {
        var log = CounterLog(window: .seconds(60))
        for second in 0..<400 {
            var text = "\(puts) \(second)\n"
            for index in 0..<50 { text += "\(received){From=\"\(second * 50 + index)\"} 1\n" }
            log.add(try Exposition(parsing: text.utf8), at: .seconds(second))
        }
        #expect(log.seriesCount <= 50 * 61 + 1)
        #expect(log.columnCount <= 50 * 62 + 1)
        let increase = try #require(log.increase(of: puts, over: .seconds(30)))
        #expect(increase.amount == increase.seconds)

        let many = (0..<CounterLog.maximumSeries + 100).map { "\(received){From=\"\($0)\"} 1\n" }.joined()
        var full = CounterLog(window: .seconds(60))
        full.add(try Exposition(parsing: many.utf8), at: .seconds(1))
        #expect(full.seriesCount == CounterLog.maximumSeries)
    }

    @Test func `Values that are invalid for a counter are left out`() throws {
        let log = log(
            (10, try page("\(puts) 10")),
            (20, try page("\(puts) NaN")),
            (30, try page("\(puts) -5")),
            (40, try page("\(puts) +Inf"))
        )
        #expect(log.increase(of: puts, over: .seconds(60))?.amount == 0)
    }
}
