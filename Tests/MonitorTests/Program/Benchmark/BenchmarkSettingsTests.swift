// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("Settings of benchmarks", .unit)
struct BenchmarkSettingsTests {
    private func settings(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Settings {
        try Settings(["--run-benchmark", "--endpoints=a"] + arguments, environment: environment)
    }

    @Test("without flags, the load has the engine's defaults")
    func defaults() throws {
        let settings = try settings([])
        #expect(settings.command == .benchmark)
        #expect(try settings.benchmark.options() == BenchmarkOptions())
        #expect(settings.benchmark.limits == BenchmarkLimits() && settings.benchmark.tolerance == 0.1)
        #expect(settings.clusters.first?.connection.commandTimeout == .seconds(5))
        #expect(!settings.allowsBenchmark)
    }

    @Test("every flag changes its setting")
    func flags() throws {
        let settings = try settings([
            "--benchmark-type=range", "--benchmark-ops=11", "--benchmark-clients=12", "--benchmark-connections=13",
            "--benchmark-rate=14.5", "--benchmark-key-size=15", "--benchmark-value-size=16", "--benchmark-keys=17",
            "--benchmark-key-order=random", "--benchmark-serializable", "--benchmark-read-ratio=0.25",
            "--benchmark-range-limit=18", "--benchmark-on-loop", "--benchmark-seed=19", "--benchmark-prefix=p/",
            "--benchmark-quota-mb=20", "--slo-p99-ms=21.5", "--slo-min-ops=22", "--slo-max-error-ratio=0.5",
            "--compare=base.json", "--tolerance=25%", "--html=page.html", "--json", "--command-timeout=3s",
        ])
        var expected = BenchmarkOptions(.range)
        expected.amount = .operations(11)
        (expected.callers, expected.connections, expected.rate) = (12, 13, 14.5)
        (expected.keySize, expected.valueSize, expected.keySpace) = (15, 16, 17)
        (expected.keyOrder, expected.serializable, expected.readRatio) = (.random, true, 0.25)
        (expected.rangeLimit, expected.onLoop, expected.seed) = (18, true, 19)
        (expected.prefix, expected.quota) = ("p/", 20 << 20)
        let benchmark = settings.benchmark
        #expect(try benchmark.options() == expected)
        #expect(benchmark.limits.p99 == .microseconds(21_500) && benchmark.limits.minimumRate == 22)
        #expect(benchmark.limits.maximumErrorRatio == 0.5)
        #expect(benchmark.baseline == "base.json" && benchmark.tolerance == 0.25 && benchmark.page == "page.html")
        #expect(settings.isJSON && settings.clusters.first?.connection.commandTimeout == .seconds(3))
        #expect(try self.settings(["--benchmark-duration=1m"]).benchmark.options().amount == .duration(.seconds(60)))
        #expect(try self.settings(["--tolerance=0.05"]).benchmark.tolerance == 0.05)
        #expect(try Settings(["--endpoints=a", "--allow-benchmark"], environment: [:]).allowsBenchmark)
        #expect(try Settings(["--fsync-probe=/x", "--json"], environment: [:]).command == .probeDisk("/x"))
    }

    @Test("the environment and the file have the same settings, which other commands ignore")
    func sources() throws {
        let file =
            #"{"endpoints": "a", "benchmarkType": "lock", "benchmarkOps": 5, "sloP99Ms": 7, "allowBenchmark": true}"#
        try withFiles(["m.json": file]) { folder in
            let environment = [
                "ETCD_MONITOR_CONFIG": "\(folder)/m.json", "ETCD_MONITOR_BENCHMARK_DURATION": "3s",
                "ETCD_MONITOR_BENCHMARK_ON_LOOP": "true",
            ]
            let found = try Settings(["--run-benchmark"], environment: environment)
            let options = try found.benchmark.options()
            #expect(options.kind == .lock && options.amount == .duration(.seconds(3)) && options.onLoop)
            #expect(found.benchmark.limits.p99 == .milliseconds(7))
            #expect(try Settings([], environment: environment).allowsBenchmark)
        }
    }

    @Test("a preset is a load, of which other flags change parts", arguments: BenchmarkPreset.allCases)
    func presets(preset: BenchmarkPreset) throws {
        let flag = "--benchmark-preset=\(preset.rawValue)"
        #expect(try settings([flag]).benchmark.options() == preset.options)
        var expected = preset.options
        (expected.amount, expected.connections, expected.onLoop) = (.duration(.seconds(2)), 3, true)
        let parts = [flag, "--benchmark-duration=2s", "--benchmark-connections=3", "--benchmark-on-loop"]
        #expect(try settings(parts).benchmark.options() == expected)
        #expect(
            message { try settings([flag, "--benchmark-clients=3"]).benchmark.options() }
                == "\(flag) cannot be combined with --benchmark-clients"
        )
    }

    @Test(
        "invalid flags are refused, with the reason",
        arguments: [
            (
                ["--benchmark-type=put"],
                "--benchmark-type: \"put\" is not one of write, read, range, mixed, delete, txn, "
                    + "lock, watch, watches, leases"
            ),
            (["--benchmark-ops=1e3"], "--benchmark-ops: \"1e3\" is not a whole number from 1 to 1000000000"),
            (["--benchmark-clients=0"], "--benchmark-clients: \"0\" is not a whole number from 1 to 1000000"),
            (["--benchmark-rate=nan"], "--benchmark-rate: \"nan\" is not a number from 0.001 to 1000000000"),
            (["--benchmark-read-ratio=70"], "--benchmark-read-ratio: \"70\" is not a number from 0 to 1"),
            (["--benchmark-on-loop=maybe"], "--benchmark-on-loop: \"maybe\" is neither true nor false"),
            (
                ["--benchmark-duration=5"],
                "--benchmark-duration: \"5\" is not a time; write for example 500ms, 5s or 1m"
            ),
            (["--benchmark-prefix="], "--benchmark-prefix: it is empty"),
            (["--benchmark-preset=xs"], "--benchmark-preset: \"xs\" is not one of s, m, l, xl"),
            (["--tolerance=-1%"], "--tolerance: \"-1%\" is not a share; write for example 10% or 0.1"),
            (["--slo-p99-ms=0"], "--slo-p99-ms: \"0\" is not a number from 0.001 to 1000000000"),
            (
                ["--benchmark-ops=1", "--benchmark-duration=1s"],
                "--benchmark-ops and --benchmark-duration exclude each "
                    + "other"
            ),
            (["--benchmark-client=1"], "unknown flag --benchmark-client; did you mean --benchmark-clients?"),
            (
                ["--once"],
                "--once, --doctor, --test-alert, --alive, --run-benchmark and --fsync-probe exclude each other"
            ),
            (["--cluster=b=c"], "--run-benchmark takes one cluster"),
        ]
    )
    func refusals(arguments: [String], expected: String) {
        #expect(message { try settings(arguments) } == expected)
    }

    @Test("flags of benchmarks need the command")
    func command() {
        for flag in ["--benchmark-ops=1", "--slo-min-ops=1", "--html=x", "--compare=x", "--benchmark-on-loop"] {
            let name = flag.split(separator: "=")[0]
            #expect(
                message { try Settings(["--endpoints=a", flag], environment: [:]) } == "\(name) needs --run-benchmark"
            )
        }
        #expect(message { try Settings(["--fsync-probe="], environment: [:]) } == "--fsync-probe: it is empty")
        #expect(
            message { try Settings(["--endpoints=a", "--json"], environment: [:]) }
                == "--json needs --once, --doctor, --run-benchmark or --fsync-probe"
        )
    }

    @Test("the line of progress is short, and has the known figures")
    func progress() {
        typealias Line = ProgressLine
        #expect(Line.text(of: BenchmarkProgress(phase: .checking, operations: 0, elapsed: .zero)) == "checking")
        let preparing = BenchmarkProgress(phase: .preparing, operations: 500, elapsed: .seconds(1), fraction: 0.5)
        #expect(Line.text(of: preparing) == "preparing 50 %, 500 done")
        let running = BenchmarkProgress(
            phase: .running,
            operations: 12_345,
            errors: 2,
            elapsed: .seconds(1),
            rate: 12_345.6,
            fraction: 0.1234,
            p50: .milliseconds(1.5),
            p99: .milliseconds(12.3456)
        )
        #expect(Line.text(of: running) == "running 12 %, 12345 done, 12346/s, p50 1.5 ms, p99 12.3 ms, 2 failed")
    }
}
