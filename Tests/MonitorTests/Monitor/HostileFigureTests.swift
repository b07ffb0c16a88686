// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Members may report any figure; the monitor goes on and shows the valid ones.
@Suite(.unit, .timeLimit(.minutes(1)))
struct HostileFigureTests {
    @Test(arguments: [1, 2, 3] as [UInt64]) func `No figure crashes the process`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var options = ClusterMonitor.Options()
        // Each figure beyond a limit is an alert at once.
        options.thresholds.settlingSeconds = 0
        var builder = SnapshotBuilder(options)
        var codes: Set<Finding.Code> = []
        for poll in 1...150 {
            let members = (1...3).map { member(UInt64($0), &random) }
            let observation = ClusterObservation(
                time: Date(timeIntervalSince1970: 1e9 + Double(poll)),
                uptime: .seconds(poll * 60),
                members: members
            )
            let snapshot = builder.snapshot(of: observation, tookSeconds: 0.1)
            codes.formUnion(snapshot.findings.map(\.code))
            #expect(try JSONBody.bytes(of: snapshot).count > 100)
            #expect(!Exporter.page(of: [snapshot], live: []).isEmpty)
            #expect(!ReadinessReport(snapshot).checks.isEmpty)
        }
        // The control: the figures do lead to findings.
        #expect(codes.isSuperset(of: [.databaseNearQuota, .applyLag]), "\(codes)")
    }

    private func member(_ number: UInt64, _ random: inout SplitMix64) -> MemberObservation {
        let integers: [Int64] = [0, 1, -1, 5000, .max, .min]
        let naturals: [UInt64] = [0, 1, 5000, .max]
        func integer() -> Int64 { integers.randomElement(using: &random) ?? 0 }
        func natural() -> UInt64 { naturals.randomElement(using: &random) ?? 0 }
        var status = MemberStatus()
        status.header.clusterID = 7
        status.header.memberID = Member.ID(rawValue: number)
        status.header.revision = Revision(rawValue: integer())
        status.version = ["", "3.5.30", "\u{1}"].randomElement(using: &random) ?? ""
        status.databaseSize = integer()
        status.databaseSizeInUse = integer()
        status.databaseQuota = integer()
        status.raftIndex = natural()
        status.raftAppliedIndex = natural()
        status.raftTerm = natural()
        status.leaderNumber = natural()
        status.errors = ["memberID:99999999999999999999999 alarm:NOSPACE", "memberID:"]
        var member = MemberObservation(id: Member.ID(rawValue: number), endpoint: nil)
        member.status = .answered(status, latency: .seconds(random.next() % 2 == 0 ? 0 : 1e9))
        member.serializableRead = .answered(Revision(rawValue: integer()), latency: .zero)
        member.linearizableRead = .answered(Revision(rawValue: integer()), latency: .seconds(1e9))
        var visit = MetricsVisit()
        visit.metrics = .answered(page(&random), latency: .zero)
        visit.raft = .answered(RaftState(term: natural(), state: "x"), latency: .zero)
        visit.clockOffset = [-1e300...1e300, 1e17...1e18].randomElement(using: &random)
        let end = Date(timeIntervalSince1970: [0, -1e300, 1e300].randomElement(using: &random) ?? 0)
        visit.certificates = [CertificateReading(subject: "CN=x", role: .server, notAfter: end)]
        member.visit = visit
        return member
    }

    private func page(_ random: inout SplitMix64) -> Exposition {
        let values = [0, 1, -1, 1e18, 1e300, -1e300, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
        let gauges = MetricsCatalogue.gauges.sorted().map { name in
            let value = values.randomElement(using: &random) ?? 0
            return Exposition.Family(name, .gauge, [Exposition.Sample(name, [:], value)])
        }
        let counters = MetricsCatalogue.counters.sorted().map { name in
            let labels = ["grpc_method": "Range", "grpc_type": "unary", "grpc_code": "Internal", "From": "1"]
            let samples = [[:], labels].map { Exposition.Sample(name, $0, values.randomElement(using: &random) ?? 0) }
            return Exposition.Family(name, .counter, samples)
        }
        let histograms = MetricsCatalogue.histograms.sorted().map { name in
            let bounds = ["0.001", "1e300", "-1e300", "NaN", "x", "+Inf"]
            let samples = bounds.map { bound in
                Exposition.Sample("\(name)_bucket", ["le": bound], values.randomElement(using: &random) ?? 0)
            }
            return Exposition.Family(name, .histogram, samples)
        }
        return Exposition(gauges + counters + histograms)
    }
}
