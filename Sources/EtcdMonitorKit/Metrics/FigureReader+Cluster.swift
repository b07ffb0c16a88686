// SPDX-License-Identifier: Apache-2.0

extension FigureReader {
    /// The figures of a cluster, combined from those of its members.
    ///
    /// Figures that concern a single process are left out.
    static func combine(_ members: [[Figure: Double]]) -> [Figure: Double] {
        var cluster: [Figure: Double] = [:]
        for figure in Figure.allCases {
            let values = members.compactMap { $0[figure] }
            guard !values.isEmpty else { continue }
            cluster[figure] =
                switch figure {
                // All members have, or apply, the same.
                case .databaseBytes, .databaseInUseBytes, .quotaUsedRatio, .keys, .proposalsCommittedPerSecond,
                    .proposalsAppliedPerSecond, .putsPerSecond, .deletesPerSecond, .transactionsPerSecond,
                    .leaderChanges:
                    values.max()
                // The slowest member counts.
                case .fsyncP99Seconds, .commitP99Seconds, .peerRoundTripP99Seconds, .requestP99Seconds,
                    .serializableReadSeconds, .linearizableReadSeconds:
                    values.max()
                // The first full member stops the writes of all.
                case .databaseQuotaBytes: values.min()
                // Each member does its own part.
                case .proposalsFailedPerSecond, .proposalsPending, .rangesPerSecond, .requestsPerSecond, .cpuCores,
                    .memoryBytes, .clientReceivedBytesPerSecond, .clientSentBytesPerSecond,
                    .peerReceivedBytesPerSecond, .peerSentBytesPerSecond, .watchers, .slowWatchers, .openStreams:
                    values.reduce(0, +)
                case .requestErrorRatio: errorRatio(members)
                case .openFiles, .maximumOpenFiles, .processAgeSeconds: nil
                }
        }
        return cluster
    }

    /// The error ratio of all calls, weighted by the number of calls of each member.
    private static func errorRatio(_ members: [[Figure: Double]]) -> Double? {
        var (calls, errors) = (0.0, 0.0)
        for figures in members {
            guard let rate = figures[.requestsPerSecond], let ratio = figures[.requestErrorRatio] else { continue }
            calls += rate
            errors += rate * ratio
        }
        return calls > 0 ? errors / calls : nil
    }
}
