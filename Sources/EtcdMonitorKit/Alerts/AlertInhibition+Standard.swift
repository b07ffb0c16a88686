// SPDX-License-Identifier: Apache-2.0

extension AlertInhibition {
    /// The causes and consequences among findings.
    ///
    /// - A lost quorum mutes its consequences: no leader, members down, slow reads, proposals.
    /// - Endpoints of another cluster mute lags and differences of data.
    /// - A defragmentation mutes the latency and the lag of its member, but not that it is down or frozen: if a machine
    ///   dies during a defragmentation, the defragmentation seems to continue.
    /// - A member that is down, frozen or isolated mutes everything else about it.
    ///
    /// Of two alerts that would mute each other, the one with the earlier inhibition is sent.
    public static let standard =
        all(
            of: [.quorumLost],
            mute: [
                .noLeader, .tooFewVoters, .memberDown, .memberFrozen, .memberIsolated, .memberUnreachable, .linkDown,
                .consensusHung, .slowReads, .slowCommit, .slowFsync, .pendingProposals, .failedProposals,
                .requestErrors, .failedElections, .applyLag, .replicationLag,
            ]
        )
        + all(of: [.foreignCluster], mute: [.applyLag, .replicationLag, .revisionRegression, .hashInconclusive])
        + all(
            of: [.defragmenting],
            mute: [
                .slowReads, .slowCommit, .slowFsync, .consensusHung, .applyLag, .replicationLag, .pendingProposals,
            ],
            equal: ["cluster", "member"]
        )
        + [Finding.Code.memberDown, .memberFrozen, .memberIsolated].map { cause in
            AlertInhibition(
                [AlertMatcher(cause)],
                mutes: [AlertMatcher("member", "", isEqual: false)],
                equal: ["cluster", "member"]
            )
        }

    private static func all(
        of causes: [Finding.Code],
        mute consequences: [Finding.Code],
        equal: [String] = ["cluster"]
    ) -> [AlertInhibition] {
        causes.flatMap { cause in
            consequences.map {
                AlertInhibition([AlertMatcher(cause)], mutes: [AlertMatcher($0)], equal: equal)
            }
        }
    }
}

extension AlertMatcher {
    /// Makes a condition on the rule of one kind of finding.
    fileprivate init(_ code: Finding.Code) { self.init("alertname", AlertRule.name(of: code)) }
}
