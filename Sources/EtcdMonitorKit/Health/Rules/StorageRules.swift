// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the databases and disks of the members.
enum StorageRules {
    static let all: [Evidence.Rule] = [
        noSpaceAlarm, nearQuota, databaseLarge, growth, fragmentation, slowFsync, slowCommit, defragmenting,
    ]

    static func noSpaceAlarm(_ evidence: Evidence) -> [Suspicion] {
        evidence.alarms(.noSpace).map { id, name in
            let summary = "\(name) raised the alarm NOSPACE: its database is full, and the cluster accepts no puts"
            return Suspicion(.alarmNoSpace, about: id?.description ?? "", .critical, summary, member: id)
        }
    }

    static func nearQuota(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.members.compactMap { member in
            guard let status = member.status, let quota = member.quota else { return nil }
            let used = Double(status.databaseSize) / quota
            let verdict = Verdict(
                used,
                notice: limits.quotaNoticeRatio,
                degraded: limits.quotaDegradedRatio,
                critical: limits.quotaCriticalRatio
            )
            guard let verdict else { return nil }
            let summary = "uses \(whole(used * 100)) % of the quota of its database"
            let figures = [
                "databaseBytes": Double(status.databaseSize), "inUseBytes": Double(status.databaseSizeInUse),
                "quotaBytes": quota, "usedRatio": used,
            ]
            return Suspicion(.databaseNearQuota, of: member, verdict, summary, figures)
        }
    }

    static func databaseLarge(_ evidence: Evidence) -> [Suspicion] {
        guard let limit = evidence.thresholds.maximumDatabaseBytes else { return [] }
        return evidence.members.compactMap { member in
            guard let status = member.status, Double(status.databaseSize) > limit else { return nil }
            let figures = ["databaseBytes": Double(status.databaseSize), "limitBytes": limit]
            return Suspicion(.databaseLarge, of: member, .degraded, "has a database larger than the limit", figures)
        }
    }

    /// Fits a straight line to the sizes.
    ///
    /// The growth of a small database is ignored.
    static func growth(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.members.compactMap { member in
            let sizes = member.trend.sizes
            guard let status = member.status, let quota = member.quota, let first = sizes.first, let last = sizes.last,
                (last.uptime - first.uptime).inSeconds >= limits.growthMinimumSeconds, sizes.count >= 3,
                Double(status.databaseSize) > quota * limits.growthMinimumRatio
            else { return nil }
            let points = sizes.map { (x: ($0.uptime - first.uptime).inSeconds, y: $0.bytes) }
            let count = Double(points.count)
            let (meanX, meanY) = (points.reduce(0) { $0 + $1.x } / count, points.reduce(0) { $0 + $1.y } / count)
            let spread = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
            let slope = spread > 0 ? points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread : 0
            let left = (quota - Double(status.databaseSize)) / slope
            guard slope > 0, left > 0, left < limits.growthNoticeSeconds else { return nil }
            let verdict = left < limits.growthDegradedSeconds ? Verdict.degraded : .ok
            let summary = "has a database that will reach its quota in \(whole(left / 60)) minutes at the current rate"
            let figures = ["bytesPerSecond": slope, "secondsLeft": left, "quotaBytes": quota]
            return Suspicion(.databaseGrowth, of: member, verdict, summary, figures)
        }
    }

    static func fragmentation(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.members.compactMap { member in
            guard let status = member.status, let quota = member.quota, status.databaseSize > status.databaseSizeInUse
            else { return nil }
            let (size, inUse) = (Double(status.databaseSize), Double(status.databaseSizeInUse))
            let free = size - inUse
            let matters = free >= limits.fragmentationFreeRatio * quota || size >= limits.quotaDegradedRatio * quota
            guard free / size >= limits.fragmentationRatio, size >= limits.fragmentationMinimumBytes, matters else {
                return nil
            }
            let summary = "has a database of which \(whole(free / size * 100)) % is free"
            let figures = ["databaseBytes": size, "freeBytes": free, "freeRatio": free / size]
            return Suspicion(.fragmentation, of: member, .ok, summary, figures, holdFor: limits.fragmentationSeconds)
        }
    }

    static func slowFsync(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return slowDisk(evidence, .slowFsync, "etcd_disk_wal_fsync_duration_seconds", "writes of its log") {
            Verdict(
                $0,
                notice: limits.fsyncNoticeSeconds,
                degraded: limits.fsyncDegradedSeconds,
                critical: limits.fsyncCriticalSeconds
            )
        }
    }

    static func slowCommit(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return slowDisk(evidence, .slowCommit, "etcd_disk_backend_commit_duration_seconds", "commits of its database") {
            Verdict(
                $0,
                notice: limits.commitNoticeSeconds,
                degraded: limits.commitDegradedSeconds,
                critical: limits.commitCriticalSeconds
            )
        }
    }

    private static func slowDisk(
        _ evidence: Evidence,
        _ code: Finding.Code,
        _ metric: String,
        _ what: String,
        _ judge: (Double) -> Verdict?
    ) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.compactMap { member in
            // A defragmentation blocks the database, which explains slow commits.
            guard !member.isDefragmenting,
                let writes = member.trend.log.histogram(metric, over: .threshold(limits.diskWindowSeconds)),
                writes.count >= limits.diskMinimumWrites, let p99 = writes.quantile(0.99), let verdict = judge(p99)
            else { return nil }
            let summary = "has a slow disk: 1 % of the \(what) take longer than \(whole(p99 * 1000)) ms"
            let figures = ["p99Seconds": p99, "writes": writes.count]
            return Suspicion(code, of: member, verdict, summary, figures, holdFor: limits.slowDiskSeconds)
        }
    }

    static func defragmenting(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.filter { $0.isDefragmenting }.map { member in
            Suspicion(.defragmenting, of: member, .ok, "defragments its database, and answers late meanwhile")
        }
    }
}

extension MemberView {
    var quota: Double? { FigureReader.quota(page: page, status: status) }

    var isDefragmenting: Bool { (page?["etcd_disk_defrag_inflight"] ?? 0) > 0 }
}
