// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension MemberObservation {
    /// Identifies the member: its ID in hexadecimal digits, or its endpoint while the ID is unknown.
    var key: String { id?.description ?? endpoint?.description ?? name }

    /// The reason why the member answered no call; nil if it answered one, or if the failures are not the member's.
    ///
    /// A refused connection proves that the process is not running; a timeout does not.
    var silence: ProbeFailure.Reason? {
        guard !hasAnswered else { return nil }
        let reasons = callFailures.map(\.reason)
        guard !reasons.isEmpty, reasons.allSatisfy({ $0 == .refused || $0 == .timedOut }) else { return nil }
        return reasons.contains(.timedOut) ? .timedOut : .refused
    }

    /// Whether it answered a call, even with an error.
    var isAlive: Bool {
        hasAnswered
            || callFailures.contains { [.noLeader, .serverError, .unauthorized, .unsupported].contains($0.reason) }
    }

    /// The failures of the calls.
    var callFailures: [ProbeFailure] {
        [status.failure, serializableRead.failure, linearizableRead.failure, memberList.failure].compactMap { $0 }
    }

    /// Whether a call failed for a reason that may be the member's.
    var isFailing: Bool { callFailures.contains(where: \.countsAgainstMember) }

    private var hasAnswered: Bool {
        status.answer != nil || serializableRead.answer != nil || linearizableRead.answer != nil
            || memberList.answer != nil
    }
}

extension ClusterObservation {
    /// The ID of the monitored cluster: the known one as long as an endpoint belongs to it, or else that of most
    /// endpoints.
    func clusterID(preferring known: UInt64?) -> UInt64? {
        let answers = members.compactMap { $0.status.answer?.header.clusterID }
        if answers.isEmpty { return known }
        if let known, answers.contains(known) { return known }
        let counts = Dictionary(answers.map { ($0, 1) }, uniquingKeysWith: +)
        let most = counts.values.max() ?? 0
        return answers.first { counts[$0] == most }
    }
}
