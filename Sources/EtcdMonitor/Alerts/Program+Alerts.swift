// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit
import Foundation

extension Program {
    /// Makes the alert center, and logs its events.
    func alertCenter(_ monitors: [ClusterMonitor]) throws -> AlertCenter {
        let (channels, log) = (settings.alerts.channels, AlertLog(channels: settings.alerts.channels))
        var options = settings.alerts.options
        options.onEvent = { [terminal] event in
            if let line = log.line(for: event) { terminal.show("\(Date().inSeconds)  \(line)") }
        }
        // It fails only for invalid settings.
        return try naming("alerts") { try AlertCenter(monitors, channels: channels, options) }
    }

    /// Sends a test alert, and prints the answer.
    func testAlert(_ channel: String) async throws {
        do {
            let answer = try await alertCenter([]).test(channel)
            terminal.show("\(channel): \(answer)")
        } catch let error as AlertChannelError {
            throw UsageHint("\(channel): \(error.message)")
        }
    }
}
