// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertCenter: options", .unit, .timeLimit(.minutes(1))) struct AlertOptionTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var message: String
        var change: @Sendable (inout AlertCenter.Options) -> Void
        var testDescription: String { message }
    }

    static let table = [
        Row(message: "an alert rule must have a name of its own: there are two of EtcdMemberDown") {
            $0.rules.append(.finding(.memberDown))
        },
        Row(message: "an alert rule must have a name of its own: there are two of EtcdMonitorChannelFailed") {
            $0.rules = [AlertRule("EtcdMonitorChannelFailed") { _ in nil }]
        },
        Row(message: "the name of an alert rule must not be empty") { $0.rules = [AlertRule("") { _ in nil }] },
        Row(message: "holdsFor of the alert rule X is -1.0 seconds, but must not be negative") {
            $0.rules = [AlertRule("X", holdsFor: .seconds(-1)) { _ in nil }]
        },
        Row(message: "keepsFiringFor of the alert rule X is -1.0 seconds, but must not be negative") {
            $0.rules = [AlertRule("X", keepsFiringFor: .seconds(-1)) { _ in nil }]
        },
        Row(message: "route 2 names the channel opps, which does not exist") {
            $0.routes = [AlertRoute(to: "ops"), AlertRoute(to: "opps")]
        },
        Row(message: "route 1 names no channel") { $0.routes = [AlertRoute(to: [])] },
        Row(message: "route 1 has a step without a channel") { $0.routes = [AlertRoute(to: [.init([])])] },
        Row(message: "a delay of route 1 is -1.0 seconds, but must not be negative") {
            $0.routes = [AlertRoute(to: [.init(["ops"], after: .seconds(-1))])]
        },
        Row(message: "repeatInterval of route 1 is 0.0 seconds, but must be longer than zero") {
            $0.routes = [AlertRoute(to: [.init(["ops"])], repeatInterval: .zero)]
        },
        Row(message: "route 1 has a condition without the name of a label") {
            $0.routes = [AlertRoute(to: [.init(["ops"])], matching: [AlertMatcher("", "x")])]
        },
        Row(message: "inhibition 1 needs conditions on the cause and on the consequences") {
            $0.inhibitions = [AlertInhibition([], mutes: [AlertMatcher("alertname", "A")])]
        },
        Row(message: "inhibition 1 needs conditions on the cause and on the consequences") {
            $0.inhibitions = [AlertInhibition([AlertMatcher("alertname", "A")], mutes: [])]
        },
        Row(message: "the maintenance window night begins at hour 24") {
            $0.maintenanceWindows = [MaintenanceWindow("night", hour: 24, lasting: .seconds(60))]
        },
        Row(message: "the maintenance window night begins at minute -1") {
            $0.maintenanceWindows = [MaintenanceWindow("night", hour: 0, minute: -1, lasting: .seconds(60))]
        },
        Row(message: "the maintenance window night has no days") {
            $0.maintenanceWindows = [MaintenanceWindow("night", on: [], hour: 0, lasting: .seconds(60))]
        },
        Row(message: "the duration of the maintenance window night is 0.0 seconds, but must be longer than zero") {
            $0.maintenanceWindows = [MaintenanceWindow("night", hour: 0, lasting: .zero)]
        },
        Row(message: "the maintenance window night lasts longer than a week") {
            $0.maintenanceWindows = [MaintenanceWindow("night", hour: 0, lasting: .seconds(604_801))]
        },
        Row(message: "interval is 0.0 seconds, but must be longer than zero") { $0.interval = .zero },
        Row(message: "groupWait is -1.0 seconds, but must not be negative") { $0.groupWait = .seconds(-1) },
        Row(message: "groupInterval is -1.0 seconds, but must not be negative") { $0.groupInterval = .seconds(-1) },
        Row(message: "repeatInterval is 0.0 seconds, but must be longer than zero") { $0.repeatInterval = .zero },
        Row(message: "restartGrace is -1.0 seconds, but must not be negative") { $0.restartGrace = .seconds(-1) },
        Row(message: "the shortest wait of retry is 0.0 seconds, but must be longer than zero") {
            $0.retry = .zero...(.seconds(1))
        },
        Row(message: "historyLimit is -1, but must not be negative") { $0.historyLimit = -1 },
        Row(message: "the path of the state file must not be empty") { $0.stateFile = "" },
    ]

    @Test("Invalid options are refused, and the error names the option", arguments: table)
    func refusal(_ row: Row) {
        var options = AlertCenter.Options()
        row.change(&options)
        let error = #expect(throws: EtcdError.self) {
            try AlertCenter(of: [StagedCluster()], channels: ["ops": StagedChannel()], options)
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == row.message)
    }

    @Test func `Two clusters of one name, and invalid channels, are refused`() {
        let options = AlertCenter.Options()
        let clusters = #expect(throws: EtcdError.self) {
            try AlertCenter(of: [StagedCluster("a"), StagedCluster("a")], channels: [:], options)
        }
        #expect(clusters?.message == "a cluster must have a name of its own: there are two of a")
        let channel = StagedChannel(delivery: AlertDelivery(keepAlive: .zero))
        let error = #expect(throws: EtcdError.self) { try AlertCenter(of: [], channels: ["x": channel], options) }
        #expect(error?.message == "keepAlive of the channel x is 0.0 seconds, but must be longer than zero")
        #expect(throws: EtcdError.self) { try AlertCenter(of: [], channels: ["": StagedChannel()], options) }
    }

    @Test func `The default options work, with and without channels`() throws {
        _ = try AlertCenter(of: [StagedCluster()], channels: ["ops": StagedChannel()], AlertCenter.Options())
        let center = try AlertCenter([], channels: [:])
        #expect(center.alerts == [] && center.channelReports == [])
    }

    @Test func `The standard inhibitions name rules that there are`() {
        let names = Set(AlertRule.findings.map(\.name))
        for inhibition in AlertInhibition.standard {
            for matcher in inhibition.source + inhibition.target where matcher.name == "alertname" {
                #expect(names.contains(matcher.value), "\(matcher.value)")
            }
        }
    }
}
