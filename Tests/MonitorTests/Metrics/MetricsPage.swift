// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdTesting

/// Pages of metrics of real servers.
enum MetricsPage {
    /// The servers to ask: the usual one, and those that `MONITOR_ETCDS` names, separated by colons.
    static let binaries: [String?] =
        [nil] + (ProcessInfo.processInfo.environment["MONITOR_ETCDS"] ?? "").split(separator: ":").map(String.init)

    /// The page that a member serves.
    static func fetch(from member: EtcdMember) async throws -> [UInt8] {
        let port = try #require(member.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        let answer = try await LoopbackHTTP.request("/metrics", port: port, deadline: .now + .seconds(10))
        try #require(answer.status == 200)
        return Array(answer.body)
    }
}
