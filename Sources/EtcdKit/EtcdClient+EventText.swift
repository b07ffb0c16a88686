// SPDX-License-Identifier: Apache-2.0

extension EtcdClient.Event: CustomStringConvertible {
    /// The event in one line, for a log.
    public var description: String {
        switch self {
        case .connected(let endpoint): "connected to \(endpoint)"
        case .connectFailed(let endpoint, let error): "cannot connect to \(endpoint): \(error)"
        case .disconnected(let endpoint, let error): "lost the connection to \(endpoint): \(error)"
        case .suspected(let endpoint, let error): "avoids \(endpoint): \(error)"
        case .trusted(let endpoint): "no longer avoids \(endpoint)"
        case .failedOver(let old, let new): "moved from \(old) to \(new)"
        case .endpointsChanged(let endpoints):
            "the endpoints are \(endpoints.map(\.description).joined(separator: ", "))"
        case .endpointSyncFailed(let error): "cannot read the list of members: \(error)"
        case .tokenRefreshed: "has a new token"
        case .revisionFell(let old, let new, let endpoint):
            "the revision fell from \(old) to \(new) at \(endpoint)"
        case .leaseAtRisk(let lease, let deadline, let error):
            "the lease \(lease) is lost in \(deadline - .now) unless it is renewed\(Self.reason(error))"
        case .leaseLost(let lease, let error): "the lease \(lease) is lost: \(error)"
        case .sessionLost(let lease, let reason, let error):
            "the session with the lease \(lease) is lost (\(reason))\(Self.reason(error))"
        case .holdLost(let key, let token, let reason): "\(key) is no longer held (token \(token)): \(reason)"
        case .leadershipGained(let key, let token): "leads \(key) (token \(token))"
        case .leadershipLost(let key, let token, let reason): "no longer leads \(key) (token \(token)): \(reason)"
        case .watchResumed(let range, let revision, let endpoint):
            "the watch of \(range) goes on from revision \(revision) at \(endpoint)"
        case .watchResynced(let range, let revision): "the watch of \(range) was brought to revision \(revision)"
        case .callStarted(let call): "call \(call.id) of \(call.method) begins"
        case .callRetried(let call, let endpoint, let error):
            "call \(call.id) of \(call.method) is repeated after a failure at \(endpoint): \(error)"
        case .callFinished(let call, let outcome): "call \(call.id) of \(call.method): \(outcome)"
        }
    }

    private static func reason(_ error: EtcdError?) -> String { error.map { ": \($0)" } ?? "" }
}

extension EtcdClient.CallOutcome: CustomStringConvertible {
    /// The outcome in one line.
    public var description: String {
        let place = endpoint.map { " at \($0)" } ?? ""
        let count = attempts == 1 ? "1 attempt" : "\(attempts) attempts"
        return "\(code?.description ?? "succeeded")\(place) after \(duration), \(count), \(responseSize) bytes"
    }
}
