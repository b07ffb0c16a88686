// SPDX-License-Identifier: Apache-2.0

/// Ejection, and the way back.
extension InstancePool {
    /// Draws the consequences of an answer for the health of its instance.
    mutating func judge(_ index: Int, _ outcome: PickedInstance.Outcome, at now: Instant) {
        members[index].count(isSuccess: outcome == .success)
        guard let outliers else { return }
        switch (members[index].health, outcome) {
        case (.healthy, .success), (.ejected, .failure): return
        case (.failing, .success): members[index].change(.healthy)
        // Only where all are used.
        case (.ejected, .success): succeedProbe(index, 1, of: outliers.probes)
        case (.probing(let successes), .success): succeedProbe(index, successes + 1, of: outliers.probes)
        case (.probing, .failure): eject(index, outliers, at: now)
        case (.healthy, .failure), (.failing, .failure):
            if !isOutlier(index, outliers) { return }
            if mayEject(outliers) {
                eject(index, outliers, at: now)
            } else {
                members[index].change(.failing)
            }
        }
        updateCandidates()
    }

    private mutating func succeedProbe(_ index: Int, _ successes: Int, of probes: Int) {
        members[index].change(successes < probes ? .probing(successes) : .healthy)
    }

    private mutating func eject(_ index: Int, _ outliers: OutlierDetection, at now: Instant) {
        members[index].ejections += 1
        let chance = Double.random(in: 0...1, using: &random)
        members[index].change(.ejected(until: now + outliers.ejection(members[index].ejections, chance: chance)))
    }

    private func isOutlier(_ index: Int, _ outliers: OutlierDetection) -> Bool {
        if members[index].consecutiveFailures >= outliers.consecutiveFailures { return true }
        guard let margin = outliers.successRateMargin, members[index].recent.count >= outliers.minimumVolume else {
            return false
        }
        var others = PoolMember.Tally()
        for other in members.indices where other != index && members[other].isUp {
            others = others + members[other].recent
        }
        return others.count >= outliers.minimumVolume
            && members[index].recent.successRate < others.successRate - margin
    }

    private func mayEject(_ outliers: OutlierDetection) -> Bool {
        let up = members.filter(\.isUp)
        return up.count { $0.isOutOfService || $0.failsChecks } < outliers.limit(of: up.count)
    }

    /// When members have gone, too many of those that are left may be out of service.
    mutating func keepLimit(among up: [Int]) {
        guard let outliers else { return }
        var ejected = up.filter { members[$0].isOutOfService }
        let limit = max(0, outliers.limit(of: up.count) - up.count { members[$0].failsChecks })
        // Those whose time is over first.
        ejected.sort { left, right in
            guard let other = members[right].returnTime else { return false }
            return members[left].returnTime.map { $0 < other } ?? true
        }
        for index in ejected.dropLast(limit) { members[index].change(.failing) }
    }
}
