// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.cluster, .timeLimit(.minutes(2))) struct FigureReaderTests {
    private func figures(
        _ pages: String...,
        status: MemberStatus? = nil,
        secondsApart: Int = 30,
        now: Double = 1000
    ) throws -> [Figure: Double] {
        var log = CounterLog(window: .seconds(900))
        var page: Exposition?
        for (index, text) in pages.enumerated() {
            let parsed = try Exposition(parsing: text.utf8, keeping: MetricsCatalogue.keeps)
            log.add(parsed, at: .seconds(100 + secondsApart * index))
            page = parsed
        }
        return FigureReader.figures(
            page: page,
            status: status,
            log: log,
            uptime: log.newest ?? .zero,
            now: Date(timeIntervalSince1970: now)
        )
    }

    @Test func `Gauges are taken as they are`() throws {
        let figures = try figures(
            """
            etcd_debugging_mvcc_keys_total 7
            etcd_server_proposals_pending 2
            process_resident_memory_bytes 3e7
            process_open_fds 12
            process_max_fds 1024
            etcd_debugging_mvcc_watcher_total 5
            etcd_debugging_mvcc_slow_watcher_total 1
            etcd_server_leader_changes_seen_total 3
            process_start_time_seconds 400
            go_goroutines 99
            """
        )
        #expect(
            figures == [
                .keys: 7, .proposalsPending: 2, .memoryBytes: 3e7, .openFiles: 12, .maximumOpenFiles: 1024,
                .watchers: 5,
                .slowWatchers: 1, .leaderChanges: 3, .processAgeSeconds: 600,
            ]
        )
    }

    @Test func `The database is read from the status, and from the metrics without one`() throws {
        let metrics = """
            etcd_mvcc_db_total_size_in_bytes 1000
            etcd_mvcc_db_total_size_in_use_in_bytes 500
            etcd_server_quota_backend_bytes 4000
            """
        #expect(
            try figures(metrics) == [
                .databaseBytes: 1000, .databaseInUseBytes: 500, .databaseQuotaBytes: 4000, .quotaUsedRatio: 0.25,
            ]
        )
        var status = MemberStatus()
        status.databaseSize = 2000
        status.databaseSizeInUse = 800
        let mixed = try figures(metrics, status: status)
        #expect(mixed[.databaseBytes] == 2000)
        #expect(mixed[.databaseInUseBytes] == 800)
        #expect(mixed[.quotaUsedRatio] == 0.5)
        status.databaseSizeInUse = 0
        #expect(try figures(metrics, status: status)[.databaseInUseBytes] == 500)
        status.databaseQuota = 8000
        #expect(try figures(metrics, status: status)[.quotaUsedRatio] == 0.25)
        #expect(try figures(status: status)[.quotaUsedRatio] == 0.25)
        #expect(try figures("etcd_debugging_mvcc_db_total_size_in_bytes 9")[.databaseBytes] == 9)
        let unlimited = try figures("etcd_server_quota_backend_bytes -1\netcd_mvcc_db_total_size_in_bytes 1000")
        #expect(unlimited == [.databaseBytes: 1000])
        #expect(try figures("etcd_server_quota_backend_bytes 0") == [.databaseQuotaBytes: 2_147_483_648])
    }

    @Test func `Rates are of the last minute`() throws {
        func page(_ value: Int) -> String {
            """
            etcd_server_proposals_committed_total \(value)
            etcd_server_proposals_applied_total \(value * 2)
            etcd_server_proposals_failed_total \(value * 3)
            etcd_mvcc_put_total \(value * 4)
            etcd_debugging_mvcc_put_total \(value * 1000)
            etcd_mvcc_range_total \(value * 5)
            etcd_mvcc_delete_total \(value * 6)
            etcd_debugging_mvcc_txn_total \(value * 7)
            process_cpu_seconds_total \(value * 8)
            etcd_network_client_grpc_received_bytes_total \(value * 9)
            etcd_network_client_grpc_sent_bytes_total \(value * 10)
            etcd_network_peer_received_bytes_total{From="0"} \(value * 11)
            etcd_network_peer_received_bytes_total{From="a"} \(value * 100)
            etcd_network_peer_sent_bytes_total{To="a"} \(value * 12)
            """
        }
        // The first reading is older than a minute.
        let figures = try figures(page(0), page(6000), page(6030), page(6060))
        #expect(
            figures == [
                .proposalsCommittedPerSecond: 1, .proposalsAppliedPerSecond: 2, .proposalsFailedPerSecond: 3,
                .putsPerSecond: 4, .rangesPerSecond: 5, .deletesPerSecond: 6, .transactionsPerSecond: 7, .cpuCores: 8,
                .clientReceivedBytesPerSecond: 9, .clientSentBytesPerSecond: 10, .peerReceivedBytesPerSecond: 111,
                .peerSentBytesPerSecond: 12,
            ]
        )
        #expect(try self.figures(page(5)).isEmpty)
    }

    @Test func `Requests are unary ones, and errors those of the server`() throws {
        func page(_ value: Int) -> String {
            func handled(_ type: String, _ method: String, _ code: String, _ factor: Int) -> String {
                let labels = "grpc_type=\"\(type)\",grpc_method=\"\(method)\",grpc_code=\"\(code)\""
                return "grpc_server_handled_total{\(labels)} \(value * factor)"
            }
            return [
                handled("unary", "Put", "OK", 90), handled("unary", "Put", "Unavailable", 4),
                handled("unary", "Range", "NotFound", 5), handled("unary", "Range", "DeadlineExceeded", 1),
                handled("bidi_stream", "Watch", "Unavailable", 1000), handled("unary", "Watch", "Unknown", 1000),
                handled("unary", "LeaseKeepAlive", "Unknown", 1000),
            ].joined(separator: "\n")
        }
        let figures = try figures(page(1), page(31))
        #expect(figures[.requestsPerSecond] == 100)
        #expect(figures[.requestErrorRatio] == 0.05)
        let idle = try self.figures(page(1), page(1))
        #expect(idle[.requestsPerSecond] == 0)
        #expect(idle[.requestErrorRatio] == nil)
    }

    @Test func `Open streams are those that have not ended`() throws {
        let figures = try figures(
            """
            grpc_server_started_total{grpc_type="bidi_stream",grpc_method="Watch"} 10
            grpc_server_started_total{grpc_type="bidi_stream",grpc_method="LeaseKeepAlive"} 5
            grpc_server_started_total{grpc_type="unary",grpc_method="Put"} 500
            grpc_server_handled_total{grpc_type="bidi_stream",grpc_method="Watch",grpc_code="OK"} 3
            grpc_server_handled_total{grpc_type="bidi_stream",grpc_method="Watch",grpc_code="Canceled"} 4
            """
        )
        #expect(figures == [.openStreams: 8])
        let torn = try self.figures(
            """
            grpc_server_started_total{grpc_type="bidi_stream"} 3
            grpc_server_handled_total{grpc_type="bidi_stream"} 4
            """
        )
        #expect(torn == [.openStreams: 0])
    }

    @Test func `Quantiles are of the last five minutes`() throws {
        func page(_ low: Int, _ high: Int) -> String {
            [
                "etcd_disk_wal_fsync_duration_seconds", "etcd_disk_backend_commit_duration_seconds",
                "etcd_network_peer_round_trip_time_seconds", "grpc_server_handling_seconds",
            ].map { name in
                let label = name.hasPrefix("grpc") ? "grpc_type=\"unary\"," : ""
                return """
                    # TYPE \(name) histogram
                    \(name)_bucket{\(label)le="1"} \(low)
                    \(name)_bucket{\(label)le="2"} \(high)
                    \(name)_bucket{\(label)le="+Inf"} \(high)
                    \(name)_bucket{grpc_type="bidi_stream",le="+Inf"} 0
                    """
            }.joined(separator: "\n")
        }
        // Older readings are ignored.
        let figures = try figures(page(0, 0), page(1000, 1000), page(1000, 1100), page(1000, 1200), secondsApart: 150)
        let expected: [Figure] = [.fsyncP99Seconds, .commitP99Seconds, .peerRoundTripP99Seconds, .requestP99Seconds]
        #expect(Set(figures.keys) == Set(expected))
        for figure in expected { #expect(abs((figures[figure] ?? 0) - 1.99) < 1e-9, "\(figure)") }
        #expect(try self.figures(page(5, 5), page(5, 5)).isEmpty)
    }

    @Test func `Without a page, or with a log that is old, there are no rates`() throws {
        var log = CounterLog(window: .seconds(900))
        let page = try Exposition(parsing: "etcd_mvcc_put_total 1\nprocess_open_fds 3".utf8)
        log.add(page, at: .seconds(10))
        log.add(page, at: .seconds(20))
        func figures(_ page: Exposition?, _ uptime: Int) -> [Figure: Double] {
            FigureReader.figures(page: page, status: nil, log: log, uptime: .seconds(uptime), now: Date())
        }
        #expect(figures(page, 80) == [.openFiles: 3, .putsPerSecond: 0])
        #expect(figures(page, 81) == [.openFiles: 3])
        #expect(figures(nil, 20).isEmpty)
    }

    @Test func `A cluster's figures are sums, maxima or minima of its members'`() {
        let cluster = FigureReader.combine([
            [
                .databaseBytes: 10, .databaseQuotaBytes: 100, .putsPerSecond: 5, .requestsPerSecond: 90,
                .requestErrorRatio: 0.1, .fsyncP99Seconds: 0.1, .openFiles: 5, .processAgeSeconds: 9,
            ],
            [
                .databaseBytes: 12, .databaseQuotaBytes: 90, .putsPerSecond: 6, .requestsPerSecond: 10,
                .requestErrorRatio: 0.6, .watchers: 3,
            ],
            [.requestsPerSecond: 0, .watchers: 4],
        ])
        #expect(
            cluster == [
                .databaseBytes: 12, .databaseQuotaBytes: 90, .putsPerSecond: 6, .requestsPerSecond: 100,
                .requestErrorRatio: 0.15, .fsyncP99Seconds: 0.1, .watchers: 7,
            ]
        )
        #expect(FigureReader.combine([]).isEmpty)
    }

    @Test func `Every figure has its own help`() {
        #expect(Set(Figure.allCases.map(\.help)).count == Figure.allCases.count)
        for figure in Figure.allCases { #expect(figure.help.hasSuffix(".") && !figure.help.contains("\n")) }
    }

    @Test(arguments: MetricsPage.binaries)
    func `A real member has all figures but those of the probes`(binary: String?) async throws {
        let options = EtcdCluster.Options(memberCount: 3, binary: binary, extraArguments: ["--metrics=extensive"])
        try await withEtcdCluster(options) { cluster in
            let client = try EtcdClient(endpoints: [cluster.members[0].endpoint])
            let member = cluster.members[0]
            func page() async throws -> Exposition {
                try Exposition(parsing: try await MetricsPage.fetch(from: member), keeping: MetricsCatalogue.keeps)
            }
            func putTwenty() async throws { for index in 0..<20 { try await client.put(Key("\(index)"), "value") } }
            try await putTwenty()
            var before = CounterLog(window: .seconds(900))
            before.add(try await page(), at: .seconds(10))
            try await putTwenty()

            // The database commits a little later.
            var (log, figures) = (before, [Figure: Double]())
            let deadline = ContinuousClock.now + .seconds(20)
            while figures[.commitP99Seconds] == nil, ContinuousClock.now < deadline {
                let page = try await page()
                log = before
                log.add(page, at: .seconds(20))
                figures = FigureReader.figures(page: page, status: nil, log: log, uptime: .seconds(20), now: Date())
            }
            await client.close()
            #expect(figures[.putsPerSecond] == 2)
            #expect(figures[.keys] == 20)
            #expect(log.seriesCount < 900)
            // The time to a peer is measured every 30 seconds, and a member of a test may not wait for its disk.
            let absent: Set<Figure> = [
                .serializableReadSeconds, .linearizableReadSeconds, .peerRoundTripP99Seconds, .fsyncP99Seconds,
            ]
            #expect(Set(Figure.allCases).subtracting(figures.keys).isSubset(of: absent))
        }
    }
}
