// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit, .timeLimit(.minutes(1)))
struct DiskProbeTests {
    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("disk-probe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }

    @Test func `The probe makes the given number of writes, and leaves no file behind`() async throws {
        try await withFolder { folder in
            var probe = DiskProbe(folder: folder)
            probe.writes = 20
            let result = try await probe.run()
            #expect(result.latency.count == 20 && result.writeSize == 2300 && result.folder == folder)
            #expect(result.duration >= result.latency.maximum && result.writesPerSecond > 0)
        }
    }

    @Test func `The probe ends after its duration, and reports its progress`() async throws {
        try await withFolder { folder in
            var probe = DiskProbe(folder: folder)
            probe.writes = 1_000_000
            probe.writeSize = 512
            probe.duration = .milliseconds(600)
            let shares = Lock<[Double]>([])
            let result = try await probe.run { share in shares.withLock { $0.append(share) } }
            #expect(result.latency.count > 0 && result.duration >= .milliseconds(600))
            #expect(shares.withLock { $0.count >= 1 && $0 == $0.sorted() && $0.allSatisfy((0...1).contains) })
        }
    }

    @Test func `The probe is cancelled between two writes`() async throws {
        try await withFolder { folder in
            var probe = DiskProbe(folder: folder)
            probe.writes = 400_000
            probe.duration = .seconds(600)
            let task = Task { [probe] in try await probe.run() }
            task.cancel()
            let error = await #expect(throws: DiskProbeError.self) { try await task.value }
            #expect(error?.isCancelled == true)
        }
    }

    @Test func `A folder that cannot be written is named in the error`() async {
        let error = await #expect(throws: DiskProbeError.self) { try await DiskProbe(folder: "/nonexistent").run() }
        #expect(error?.description == "cannot measure the disk of /nonexistent: open: No such file or directory")
        for writes in [0, Int.max] {
            var probe = DiskProbe(folder: "/tmp")
            probe.writes = writes
            do throws(DiskProbeError) {
                _ = try await probe.run()
                Issue.record("\(writes) writes were made")
            } catch {
                #expect(error.description.contains("writes"))
            }
        }
    }

    @Test func `The verdict is that of the 99th percentile`() {
        func result(_ slowest: Duration) -> DiskProbeResult {
            var latency = BenchmarkHistogram()
            for _ in 0..<98 { latency.record(.milliseconds(1)) }
            for _ in 0..<2 { latency.record(slowest) }
            return DiskProbeResult(folder: "", writeSize: 2300, duration: .seconds(1), latency: latency)
        }
        #expect(result(.milliseconds(9)).isFastEnough && !result(.milliseconds(11)).isFastEnough)
        #expect(!DiskProbeResult(folder: "", writeSize: 1, duration: .zero, latency: BenchmarkHistogram()).isFastEnough)
    }

    @Test func `JSON has the percentiles and the verdict`() throws {
        var latency = BenchmarkHistogram()
        latency.record(.milliseconds(2))
        let result = DiskProbeResult(folder: "/d", writeSize: 2300, duration: .seconds(1), latency: latency)
        let object = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(result)) as? [String: Any]
        )
        #expect(object["p99_ms"] as? Double == 2 && object["fast_enough"] as? Bool == true)
        #expect(object["writes"] as? Int == 1 && object["limit_ms"] as? Double == 10)
    }
}
