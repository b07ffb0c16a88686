// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension MemberObservation {
    /// Names the member: its ID in hexadecimal digits, or its endpoint while the ID is not known.
    var key: String { id?.description ?? endpoint?.description ?? name }

    /// Why no call was answered; nil if one was, or if the failures are not the member's.
    ///
    /// That the connection is refused proves that the process is gone; that no answer comes in time does not.
    var silence: ProbeFailure.Reason? {
        guard !hasAnswered else { return nil }
        let reasons = callFailures.map(\.reason)
        guard !reasons.isEmpty, reasons.allSatisfy({ $0 == .refused || $0 == .timedOut }) else { return nil }
        return reasons.contains(.timedOut) ? .timedOut : .refused
    }

    /// It has answered a call, be it with an error of its own.
    var isAlive: Bool {
        hasAnswered
            || callFailures.contains { [.noLeader, .serverError, .unauthorized, .unsupported].contains($0.reason) }
    }

    /// Why calls failed.
    var callFailures: [ProbeFailure] {
        [status.failure, serializableRead.failure, linearizableRead.failure, memberList.failure].compactMap { $0 }
    }

    private var hasAnswered: Bool {
        status.answer != nil || serializableRead.answer != nil || linearizableRead.answer != nil
            || memberList.answer != nil
    }
}

extension ClusterObservation {
    /// The cluster that is meant: the one that was before, as long as an endpoint belongs to it, or else the one that
    /// most endpoints belong to.
    func clusterID(preferring known: UInt64?) -> UInt64? {
        let answers = members.compactMap { $0.status.answer?.header.clusterID }
        if answers.isEmpty { return known }
        if let known, answers.contains(known) { return known }
        let counts = Dictionary(answers.map { ($0, 1) }, uniquingKeysWith: +)
        let most = counts.values.max() ?? 0
        return answers.first { counts[$0] == most }
    }
}
