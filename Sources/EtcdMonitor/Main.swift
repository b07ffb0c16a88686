// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

@main
struct Main {
    static func main() async {
        // The reader of the output may close it.
        signal(SIGPIPE, SIG_IGN)
        let environment = ProcessInfo.processInfo.environment
        do throws(any Error) {
            let settings = try Settings(CommandLine.arguments.dropFirst(), environment: environment)
            let isForErrors = settings.command == .serve && settings.alerts.ownsOutput
            exit(try await run(settings, .standard(isForErrors: isForErrors, environment: environment)))
        } catch let error as UsageError {
            fail("\(error)", status: 64)
        } catch let error as EtcdError {
            fail(error.message, status: 70)
        } catch {
            fail("\(error)", status: 70)
        }
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        try? FileHandle.standardError.write(contentsOf: Data("etcd-monitor: \(message)\n".utf8))
        exit(status)
    }

    /// Runs the command, and returns the exit status.
    private static func run(_ settings: Settings, _ terminal: Terminal) async throws -> Int32 {
        switch settings.command {
        case .help: terminal.show(Settings.help)
        case .version: terminal.show("etcd-monitor \(MonitorVersion.current)")
        case .alive: return try await Program(settings: settings, terminal: terminal).run()
        case .serve, .once, .doctor, .testAlert, .benchmark, .probeDisk:
            guard settings.isDemo else { return try await Program(settings: settings, terminal: terminal).run() }
            let demo = Demo(
                terminal: settings.command == .serve ? terminal : nil,
                isUnderLoad: settings.command != .benchmark
            )
            return try await demo.run { endpoints in
                var settings = settings
                settings.clusters[0].endpoints = endpoints
                settings.clusters[0].connection = ConnectionFlags()
                return try await Program(settings: settings, terminal: terminal).run()
            }
        }
        return 0
    }
}
