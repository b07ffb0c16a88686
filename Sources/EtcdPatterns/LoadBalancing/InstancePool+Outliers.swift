// SPDX-License-Identifier: Apache-2.0

/// Ejections, and the recovery from them.
extension InstancePool {
    /// Changes the health of an instance according to an answer.
    mutating func judge(_ place: Int, _ outcome: PickedInstance.Outcome, at now: Instant) {
        change(place) { $0.count(isSuccess: outcome == .success) }
        guard let outliers else { return }
        switch (members[place].health, outcome) {
        case (.healthy, .success), (.ejected, .failure): return
        case (.failing, .success): change(place) { $0.change(.healthy) }
        // This happens only while all are used.
        case (.ejected, .success): succeedProbe(place, 1, of: outliers.probes)
        case (.probing(let successes), .success): succeedProbe(place, successes + 1, of: outliers.probes)
        case (.probing, .failure): eject(place, outliers, at: now)
        case (.healthy, .failure), (.failing, .failure):
            if !isOutlier(place, outliers) { return }
            if mayEject(outliers) {
                eject(place, outliers, at: now)
            } else {
                change(place) { $0.change(.failing) }
            }
        }
        keepLimit()
    }

    private mutating func succeedProbe(_ place: Int, _ successes: Int, of probes: Int) {
        change(place) { $0.change(successes < probes ? .probing(successes) : .healthy) }
    }

    private mutating func eject(_ place: Int, _ outliers: OutlierDetection, at now: Instant) {
        let chance = Double.random(in: 0...1, using: &random)
        change(place) { member in
            member.ejections += 1
            member.change(.ejected(until: now + outliers.ejection(member.ejections, chance: chance)))
        }
    }

    private func isOutlier(_ place: Int, _ outliers: OutlierDetection) -> Bool {
        let member = members[place]
        if member.consecutiveFailures >= outliers.consecutiveFailures { return true }
        guard let margin = outliers.successRateMargin, member.recent.count >= outliers.minimumVolume else {
            return false
        }
        let others = member.isUp ? census.recent + member.recent * -1 : census.recent
        return others.count >= outliers.minimumVolume && member.recent.successRate < others.successRate - margin
    }

    private func mayEject(_ outliers: OutlierDetection) -> Bool { census.unusable < outliers.limit(of: census.up) }

    /// Takes members back into service if too many of the remaining ones are out of service.
    mutating func keepLimit() {
        guard let outliers else { return }
        let limit = max(0, outliers.limit(of: census.up) - census.failingChecks)
        if outOfService.count <= limit { return }
        // Those whose ejection ends first come first.
        let ejected = outOfService.places.sorted { left, right in
            guard let other = members[right].returnTime else { return false }
            return members[left].returnTime.map { $0 < other } ?? true
        }
        for place in ejected.dropLast(limit) { change(place) { $0.change(.failing) } }
    }
}
