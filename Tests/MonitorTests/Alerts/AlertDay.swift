// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A day in virtual time with random faults of clusters, channels, clocks and the monitor itself.
///
/// It checks the receivers' messages against the known faults, not against the engine's own notes.
struct AlertDay {
    /// The seconds between two polls.
    static let step = 5.0

    /// The seconds for which a condition has held without a break.
    private struct Spell {
        var seconds = 0.0
        mutating func go(on isSo: Bool) { seconds = isSo ? seconds + AlertDay.step : 0 }
    }

    private struct SubjectState {
        let subject: AlertBench.Subject
        let id: Alert.ID
        var isHeld = false
        var severity = AlertSeverity.warning
        /// The rule has held, or not, as far as the monitor could see.
        var held = Spell()
        var notHeld = Spell()
        /// For each channel: it should know of the alert by now, or that it is over.
        var shouldKnow: [Spell]
        var shouldForget: [Spell]
        /// For each channel: reminders should come.
        var shouldRepeat: [Spell]
        var fires = Spell()
        /// The rule has held since the restart of the monitor.
        var isSeen = false
    }

    static let rules = [
        AlertRule("Plain") { _ in nil }, AlertRule("Slow", holdsFor: .seconds(30)) { _ in nil },
        AlertRule("Kept", keepsFiringFor: .seconds(60)) { _ in nil }, AlertRule("Grave") { _ in nil },
        AlertRule("Cause", severity: .critical) { _ in nil }, AlertRule("Watch", severity: .info) { _ in nil },
    ]
    static let channels = [
        "chat": AlertDelivery(), "mail": AlertDelivery(sendsResolved: false), "pager": AlertDelivery(),
        "prom": AlertDelivery(isGrouped: false, keepAlive: .seconds(60), resolvedKeepAlive: .seconds(300)),
    ]
    static let names = channels.keys.sorted()

    var bench: AlertBench
    var problems: [String] = []
    /// How often each kind of event has happened.
    var counts: [String: Int] = [:]
    private var random: SplitMix64
    private var subjects: [SubjectState] = []
    private var silences: [Silence] = []
    private var outages: [String: Int] = [:]
    private var blindness: [AlertBench.Subject: Int] = [:]
    /// The polls since the restart.
    private var age = 1000
    private let start: Date

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        bench = AlertBench(Self.rules, channels: Self.channels) {
            $0.groupWait = .seconds(15)
            $0.groupInterval = .seconds(60)
            $0.repeatInterval = .seconds(1800)
            $0.historyLimit = 200
            $0.inhibitions = ["Plain", "Slow"].map { name in
                AlertInhibition([AlertMatcher("alertname", "Cause")], mutes: [AlertMatcher("alertname", name)])
            }
            $0.maintenanceWindows = [
                MaintenanceWindow(
                    "night",
                    hour: 2,
                    lasting: .seconds(3600),
                    matching: [AlertMatcher("alertname", "Slow")]
                )
            ]
            $0.routes = [
                AlertRoute(to: [.init(["prom"])], severity: .info, continues: true),
                AlertRoute(to: [.init(["mail"])], matching: [AlertMatcher("alertname", "Plain")], continues: true),
                AlertRoute(to: [.init(["chat"]), .init(["pager"], after: .seconds(900))], continues: true),
                AlertRoute(to: [.init(["pager"])], severity: .critical),
            ]
        }
        bench.clusters = ["a", "b", "c"]
        start = bench.now
        for name in ["chat", "mail", "pager"] { bench.receivers[name]?.repeatInterval = 1800 }
        for cluster in bench.clusters {
            for (rule, members) in [("Plain", 3), ("Slow", 3), ("Kept", 2), ("Grave", 2), ("Cause", 1), ("Watch", 1)] {
                for member in 1...members {
                    let subject = AlertBench.Subject(rule, "\(member)", in: cluster)
                    let spells = Self.names.map { _ in Spell() }
                    subjects.append(
                        SubjectState(
                            subject: subject,
                            id: subject.id,
                            shouldKnow: spells,
                            shouldForget: spells,
                            shouldRepeat: spells
                        )
                    )
                }
            }
        }
    }

    /// Lets a time go by with faults.
    mutating func run(polls: Int) throws {
        for _ in 0..<polls {
            change()
            changeChannels()
            try changeSilences()
            if chance(1, 800) { try restart() }
            if chance(1, 800) { setClock(by: Double.random(in: -3600...3600, using: &random).rounded()) }
            try poll()
        }
    }

    /// Ends all faults, and lets a time go by.
    mutating func recover(polls: Int) throws {
        for place in subjects.indices { subjects[place].isHeld = subjects[place].subject.rule == "Watch" }
        outages = [:]
        blindness = [:]
        for silence in silences { _ = try? bench.engine.endSilence(silence.id, by: "day", now: bench.now) }
        silences = []
        for _ in 0..<polls { try poll(mayCrash: false) }
    }

    // MARK: Faults

    private mutating func chance(_ wins: Int, _ of: Int) -> Bool { Int.random(in: 0..<of, using: &random) < wins }

    private mutating func note(_ event: String) { counts[event, default: 0] += 1 }

    private mutating func change() {
        for place in subjects.indices {
            let subject = subjects[place].subject
            let isFlapping = subject.rule == "Plain" && subject.member == "3"
            if subject.rule == "Watch" {
                subjects[place].isHeld = true
            } else if subjects[place].isHeld ? chance(1, isFlapping ? 5 : 150) : chance(1, isFlapping ? 40 : 1000) {
                subjects[place].isHeld.toggle()
            }
            if subject.rule == "Grave", chance(1, 50) {
                subjects[place].severity = [.info, .warning, .critical].randomElement(using: &random) ?? .info
            }
        }
        for (rule, polls) in blindness { blindness[rule] = polls > 1 ? polls - 1 : nil }
        if chance(1, 100), let rule = Self.rules.randomElement(using: &random),
            let cluster = bench.clusters.randomElement(using: &random)
        {
            blindness[AlertBench.Subject(rule.name, in: cluster)] = Int.random(in: 1...40, using: &random)
            note("blind")
        }
    }

    private mutating func changeChannels() {
        for (channel, polls) in outages { outages[channel] = polls > 1 ? polls - 1 : nil }
        for channel in Self.names where outages[channel] == nil && chance(1, 1500) {
            outages[channel] = Int.random(in: 1...360, using: &random)
            note("outage")
        }
        bench.down = Set(outages.keys)
    }

    private mutating func changeSilences() throws {
        if chance(1, 300) {
            let matchers = [
                AlertMatcher("alertname", Self.rules.randomElement(using: &random)?.name ?? ""),
                AlertMatcher("cluster", bench.clusters.randomElement(using: &random) ?? ""),
                AlertMatcher("member", "\(Int.random(in: 1...3, using: &random))"),
            ].shuffled(using: &random).prefix(Int.random(in: 1...2, using: &random))
            let begin = bench.now + Double(Int.random(in: 0...300, using: &random))
            let silence = Silence(
                Array(matchers),
                startsAt: begin,
                endsAt: begin + Double(Int.random(in: 1...1800, using: &random)),
                createdBy: "day",
                comment: "by chance"
            )
            _ = try bench.engine.add(silence, by: "day", now: bench.now)
            silences.append(silence)
            note("silence")
        }
        if chance(1, 1000), let place = silences.indices.last, silences[place].endsAt > bench.now {
            _ = try bench.engine.endSilence(silences[place].id, by: "day", now: bench.now)
            silences[place].endsAt = bench.now
        }
        let now = bench.now
        silences.removeAll { $0.endsAt < now - 7200 }
    }

    private mutating func restart() throws {
        try bench.restart()
        bench.now += Double(Int.random(in: 0...12, using: &random)) * 5
        age = 0
        for place in subjects.indices { subjects[place].isSeen = false }
        note("restart")
        forgetSpells()
    }

    /// The monitor ends after it sent messages, and before it saved that; another one continues.
    private mutating func crash() throws {
        for channel in Self.names where !bench.down.contains(channel) {
            guard let news = bench.engine.planAttempt(for: channel, now: bench.now).message else { continue }
            bench.receivers[channel]?.receive(news.notification, bench.now)
            for id in news.episodes.keys { bench.receivers[channel]?.mayComeAgain[id] = bench.now + 3600 }
            note("crash")
        }
        try restart()
    }

    private mutating func setClock(by seconds: Double) {
        bench.now += seconds
        note(seconds < 0 ? "clock back" : "clock forward")
        // The grace after a restart begins anew.
        if seconds < 0 { age = min(age, Self.blindPolls) }
        for channel in Self.names {
            for id in bench.receivers[channel]?.open.keys.map(\.self) ?? [] {
                let last = bench.receivers[channel]?.open[id]?.lastNotified ?? .distantPast
                // After a step forward, a reminder may come early.
                bench.receivers[channel]?.open[id]?.lastNotified = seconds < 0 ? last + seconds : .distantPast
            }
        }
        forgetSpells()
    }

    private mutating func forgetSpells() {
        let none = Self.names.map { _ in Spell() }
        for place in subjects.indices {
            subjects[place].held = Spell()
            subjects[place].notHeld = Spell()
            subjects[place].fires = Spell()
            subjects[place].shouldKnow = none
            subjects[place].shouldForget = none
            subjects[place].shouldRepeat = none
        }
    }

    // MARK: Polls

    /// A new monitor has no data at first, and finds nothing in its first polls.
    private static let blindPolls = 3
    /// After this many polls it ends alerts that are over.
    private static let gracePolls = 30

    private mutating func poll(mayCrash: Bool = true) throws {
        bench.now += Self.step
        age += 1
        bench.down = Set(outages.keys)
        bench.unknown = Set(blindness.keys)
        if age == 1 {
            for cluster in bench.clusters {
                for rule in Self.rules { bench.unknown.insert(AlertBench.Subject(rule.name, in: cluster)) }
            }
        }
        bench.held = [:]
        if age > Self.blindPolls {
            for state in subjects where state.isHeld { bench.held[state.subject] = state.severity }
        }
        bench.poll += 1
        bench.evaluate()
        note("poll")
        if mayCrash, chance(1, 30),
            Self.names.contains(where: { bench.engine.plan(for: $0, now: bench.now).message != nil })
        {
            return try crash()
        }
        for channel in Self.names { bench.tell(channel) }
        judge()
        bench.changes = []
        bench.refused = []
    }

    private mutating func isMuted(_ state: SubjectState, _ severity: AlertSeverity) -> Bool {
        let labels = [
            "alertname": state.subject.rule, "cluster": state.subject.cluster, "member": state.subject.member,
        ]
        for silence in silences where silence.startsAt <= bench.now && bench.now < silence.endsAt {
            if silence.matchers.allSatisfy({ labels[$0.name] == $0.value }) {
                note("silenced")
                return true
            }
        }
        guard state.subject.rule == "Plain" || state.subject.rule == "Slow" else { return false }
        if causes.contains(AlertBench.Subject("Cause", "1", in: state.subject.cluster)) {
            note("inhibited")
            return true
        }
        // The window from 02:00 to 03:00.
        let second = bench.now.timeIntervalSince1970.truncatingRemainder(dividingBy: 86_400)
        guard state.subject.rule == "Slow", second >= 7200, second < 10_800 else { return false }
        note("in maintenance")
        return true
    }

    private var causes: Set<AlertBench.Subject> = []

    /// Whether the routes name the channel for an alert that has fired for some seconds.
    private static func isRouted(_ channel: String, _ rule: String, _ severity: AlertSeverity, _ age: Double) -> Bool {
        switch channel {
        case "prom": true
        case "mail": rule == "Plain"
        case "chat": severity >= .warning
        default: severity == .critical || severity == .warning && age > 900
        }
    }

    private mutating func judge() {
        causes = []
        for state in subjects where state.subject.rule == "Cause" {
            if bench.engine.alerts[state.id]?.alert.state == .firing { causes.insert(state.subject) }
        }
        for place in subjects.indices { judge(place) }
        if bench.engine.history.count > 200 { complain("a history of \(bench.engine.history.count)") }
        if bench.engine.alerts.count > subjects.count { complain("\(bench.engine.alerts.count) alerts") }
        for channel in Self.names {
            let count = bench.engine.notified[channel]?.count ?? 0
            if count > subjects.count { complain("\(count) notes about \(channel)") }
            for problem in bench.receivers[channel]?.problems ?? [] { complain("\(channel): \(problem)") }
            bench.receivers[channel]?.problems = []
            bench.receivers[channel]?.messages = []
        }
    }

    private mutating func judge(_ place: Int) {
        var state = subjects[place]
        defer { subjects[place] = state }
        let alert = bench.engine.alerts[state.id]?.alert
        let isFiring = alert?.state == .firing
        let severity = alert?.severity ?? .info
        let isKnown = !bench.unknown.contains(AlertBench.Subject(state.subject.rule, in: state.subject.cluster))
        let rule = bench.engine.rules[state.subject.rule]
        let (isFinding, isSettled) = (age > Self.blindPolls, age > Self.gracePolls)
        if isKnown { state.held.go(on: isFinding && state.isHeld) }
        if isKnown, isSettled { state.notHeld.go(on: !state.isHeld) }
        if state.isHeld { state.notHeld = Spell() }
        state.fires.go(on: isFiring)
        if isKnown, isFinding, state.isHeld { state.isSeen = true }

        // No alert without a finding, and no finding without an alert.
        if alert != nil, state.notHeld.seconds > (rule?.keepsFiringFor.boundedSeconds ?? 0) + Self.step {
            complain(
                "\(state.subject) is \(alert?.state.rawValue ?? ""), though it has not held for \(state.notHeld.seconds) s"
            )
        }
        if state.held.seconds > (rule?.holdsFor.boundedSeconds ?? 0) + Self.step, !isFiring {
            complain("\(state.subject) has held for \(state.held.seconds) s, and does not fire")
        }

        let isMuted = isFiring && self.isMuted(state, severity)
        for (number, channel) in Self.names.enumerated() {
            let isUp = !bench.down.contains(channel)
            let keepsAlive = Self.channels[channel]?.keepAlive != nil
            let shouldKnow =
                isFiring && state.isSeen && isUp && !isMuted
                && Self.isRouted(channel, state.subject.rule, severity, state.fires.seconds)
            state.shouldKnow[number].go(on: shouldKnow)
            state.shouldForget[number].go(on: !isFiring && isUp)
            if Self.channels[channel]?.sendsResolved == false, !isFiring {
                bench.receivers[channel]?.open[state.id] = nil
            }
            let open = bench.receivers[channel]?.open[state.id]
            // After a crash, it is not known whether it was sent.
            let isCertain = (bench.receivers[channel]?.mayComeAgain[state.id] ?? .distantPast) < bench.now
            let isReminded =
                keepsAlive
                ? isCertain && open != nil && isFiring && isUp : shouldKnow && isKnown && state.held.seconds > 0
            state.shouldRepeat[number].go(on: isReminded)

            // The wait after a mute, the interval of the group, and polls around them.
            if state.shouldKnow[number].seconds > 95 {
                if open == nil {
                    complain("\(channel) does not know \(state.subject) after \(state.shouldKnow[number].seconds) s")
                }
            }
            if let open, open.severity != severity, state.shouldKnow[number].seconds > 95,
                severity == lastSeverity(place)
            {
                complain("\(channel) knows \(state.subject) as \(open.severity)")
            }
            if open != nil, state.shouldForget[number].seconds > 75 {
                complain("\(channel) does not know the end of \(state.subject)")
            }
            let interval = keepsAlive ? 60.0 : 1800
            if let open, open.lastNotified > .distantPast, state.shouldRepeat[number].seconds > interval + 75 {
                let silence = bench.now.timeIntervalSince(open.lastNotified)
                if silence > interval + 75 {
                    complain("\(channel) was not reminded of \(state.subject) for \(silence) s")
                }
            }
        }
        noteSeverity(place, severity)
    }

    /// The severity of each subject has been the same since this time of the day, in polls.
    private var severities: [Int: (AlertSeverity, polls: Int)] = [:]

    private mutating func noteSeverity(_ place: Int, _ severity: AlertSeverity) {
        let old = severities[place]
        severities[place] = (severity, old?.0 == severity ? (old?.polls ?? 0) + 1 : 0)
    }

    /// The severity that a subject has had for two minutes; nil if it has changed since.
    private func lastSeverity(_ place: Int) -> AlertSeverity? {
        severities[place].flatMap { $0.polls > 24 ? $0.0 : nil }
    }

    private mutating func complain(_ text: String) {
        if problems.count < 20 {
            problems.append("poll \(counts["poll"] ?? 0), \(Int(bench.now.timeIntervalSince(start))) s: \(text)")
        }
    }
}
