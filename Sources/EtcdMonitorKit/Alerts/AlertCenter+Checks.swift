// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension AlertCenter.Options {
    /// Refuses invalid options, and bounds durations.
    func checked(clusters: [String], channels: [String: AlertDelivery]) throws(EtcdError) -> Self {
        try checkNames(clusters, of: "a cluster")
        try checkNames(rules.map(\.name) + [AlertEngine.channelRule.name], of: "an alert rule")
        try checkNames(Array(channels.keys), of: "a channel")
        for rule in rules {
            try check(rule.holdsFor, "holdsFor of the alert rule \(rule.name)")
            try check(rule.keepsFiringFor, "keepsFiringFor of the alert rule \(rule.name)")
        }
        for (name, delivery) in channels {
            if let interval = delivery.keepAlive {
                try check(interval, "keepAlive of the channel \(name)", isLonger: true)
            }
            try check(delivery.resolvedKeepAlive, "resolvedKeepAlive of the channel \(name)")
        }
        for (number, route) in (routes ?? []).enumerated() { try check(route, "route \(number + 1)", channels) }
        for (number, inhibition) in inhibitions.enumerated() {
            let name = "inhibition \(number + 1)"
            if inhibition.source.isEmpty || inhibition.target.isEmpty {
                throw refusal("\(name) needs conditions on the cause and on the consequences")
            }
            try check(inhibition.source + inhibition.target, name)
        }
        for window in maintenanceWindows { try check(window) }
        try check(interval, "interval", isLonger: true)
        try check(groupWait, "groupWait")
        try check(groupInterval, "groupInterval")
        try check(repeatInterval, "repeatInterval", isLonger: true)
        try check(restartGrace, "restartGrace")
        try check(retry.lowerBound, "the shortest wait of retry", isLonger: true)
        if historyLimit < 0 { throw refusal("historyLimit is \(historyLimit), but must not be negative") }
        if stateFile?.isEmpty == true { throw refusal("the path of the state file must not be empty") }
        var options = self
        options.historyLimit = min(historyLimit, 100_000)
        options.interval = interval.bounded
        options.retry = retry.lowerBound.bounded...retry.upperBound.bounded
        return options
    }

    private func checkNames(_ names: [String], of thing: String) throws(EtcdError) {
        var seen: Set<String> = []
        for name in names {
            if name.isEmpty { throw refusal("the name of \(thing) must not be empty") }
            if !seen.insert(name).inserted {
                throw refusal("\(thing) must have a name of its own: there are two of \(name)")
            }
        }
    }

    private func check(_ time: Duration, _ name: String, isLonger: Bool = false) throws(EtcdError) {
        if isLonger, time <= .zero { throw refusal("\(name) is \(time), but must be longer than zero") }
        if time < .zero { throw refusal("\(name) is \(time), but must not be negative") }
    }

    private func check(_ matchers: [AlertMatcher], _ name: String) throws(EtcdError) {
        if matchers.contains(where: \.name.isEmpty) {
            throw refusal("\(name) has a condition without the name of a label")
        }
    }

    private func check(
        _ route: AlertRoute,
        _ name: String,
        _ channels: [String: AlertDelivery]
    ) throws(EtcdError) {
        try check(route.matchers, name)
        if let interval = route.repeatInterval { try check(interval, "repeatInterval of \(name)", isLonger: true) }
        if route.steps.isEmpty { throw refusal("\(name) names no channel") }
        for step in route.steps {
            try check(step.delay, "a delay of \(name)")
            if step.channels.isEmpty { throw refusal("\(name) has a step without a channel") }
            for channel in step.channels where channels[channel] == nil {
                throw refusal("\(name) names the channel \(channel), which does not exist")
            }
        }
    }

    private func check(_ window: MaintenanceWindow) throws(EtcdError) {
        let name = "the maintenance window \(window.name)"
        if window.name.isEmpty { throw refusal("the name of a maintenance window must not be empty") }
        if window.days.isEmpty { throw refusal("\(name) has no days") }
        if !(0...23).contains(window.hour) { throw refusal("\(name) begins at hour \(window.hour)") }
        if !(0...59).contains(window.minute) { throw refusal("\(name) begins at minute \(window.minute)") }
        try check(window.duration, "the duration of \(name)", isLonger: true)
        if window.duration > .seconds(7 * 86_400) { throw refusal("\(name) lasts longer than a week") }
        try check(window.matchers, name)
    }

    private func refusal(_ text: String) -> EtcdError { EtcdError(.invalidArgument, text) }
}
