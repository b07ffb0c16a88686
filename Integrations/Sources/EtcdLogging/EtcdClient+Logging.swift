// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Logging

extension EtcdClient.Configuration {
    /// Writes the events of the client to a log, in addition to the existing ``onEvent``.
    ///
    /// Losses of leases, sessions and locks are errors, and so are failures that need a person. Failures that the client
    /// recovers from are logged at `info`, or as warnings if they may last or come before a loss: an endpoint that is
    /// avoided, members that cannot be listed, a lease at risk. Single calls are logged at `debug` and `trace`. No line
    /// contains a value, a password or a token.
    ///
    /// An attempt to connect that fails because of a misconfiguration is an error, any other is logged at `info`.
    /// Further attempts at the same endpoint with the same cause are logged at `debug`. The next connection to that
    /// endpoint is logged at `info`.
    ///
    /// - Parameter logger: The logger. It is called on the thread of the client's connections, and must not block.
    public mutating func logEvents(to logger: Logger) {
        let others = onEvent
        let failures = ConnectionFailures()
        onEvent = { event in
            others?(event)
            var line = event.logLine
            if let level = failures.level(of: event) { line.level = level }
            logger.write(line)
        }
    }
}

extension EtcdClient.Event: LoggableEvent {
    /// The line for the event.
    public var logLine: LogLine {
        switch self {
        // Connections
        case .connected(let endpoint):
            LogLine(.debug, "connected to etcd", ["etcd.endpoint": "\(endpoint)"])
        case .connectFailed(let endpoint, let error):
            LogLine(
                error.code == .misconfigured ? .error : .info,
                "an attempt to connect to etcd has failed",
                error: error,
                ["etcd.endpoint": "\(endpoint)"]
            )
        case .disconnected(let endpoint, let error):
            LogLine(.info, "a connection to etcd has ended", error: error, ["etcd.endpoint": "\(endpoint)"])
        case .suspected(let endpoint, let error):
            LogLine(.warning, "an endpoint of etcd is avoided", error: error, ["etcd.endpoint": "\(endpoint)"])
        case .trusted(let endpoint):
            LogLine(.info, "an endpoint of etcd is used again", ["etcd.endpoint": "\(endpoint)"])
        case .failedOver(let from, let to):
            LogLine(.info, "failed over to another endpoint of etcd", ["etcd.from": "\(from)", "etcd.to": "\(to)"])
        case .endpointsChanged(let endpoints):
            LogLine(.notice, "the endpoints of etcd have changed", ["etcd.endpoints": .list(endpoints)])
        case .endpointSyncFailed(let error):
            LogLine(.warning, "the members of etcd cannot be listed", error: error)
        case .tokenRefreshed:
            LogLine(.debug, "authenticated to etcd")
        case .revisionFell(let from, let to, let endpoint):
            LogLine(
                .error,
                "the store of etcd is older than before: it was restored, or the endpoint belongs to another store",
                ["etcd.from": "\(from)", "etcd.to": "\(to)", "etcd.endpoint": "\(endpoint)"]
            )
        // Leases and grants
        case .leaseAtRisk(let lease, _, let error):
            LogLine(.warning, "a lease is not renewed in time", error: error, ["etcd.lease": "\(lease)"])
        case .leaseLost(let lease, let error):
            LogLine(.error, "a lease is lost", error: error, ["etcd.lease": "\(lease)"])
        case .sessionLost(let lease, let reason, let error):
            LogLine(
                .error,
                "a session is lost",
                error: error,
                ["etcd.lease": "\(lease)", "etcd.reason": "\(reason)"]
            )
        case .holdLost(let key, let token, let reason):
            LogLine(.error, "a lock or slot is lost", .hold(key, token, reason))
        case .leadershipGained(let election, let token):
            LogLine(
                .notice,
                "this process leads",
                ["etcd.election": "\(election)", "etcd.fencing_token": "\(token)"]
            )
        case .leadershipLost(let election, let token, let reason):
            LogLine(
                reason == "released" ? .notice : .warning,
                "this process leads no longer",
                [
                    "etcd.election": "\(election)", "etcd.fencing_token": "\(token)", "etcd.reason": "\(reason)",
                ]
            )
        // Watches
        case .watchResumed(let range, let revision, let endpoint):
            LogLine(
                .debug,
                "a watch goes on",
                ["etcd.range": "\(range)", "etcd.revision": "\(revision)", "etcd.endpoint": "\(endpoint)"]
            )
        case .watchResynced(let range, let revision):
            LogLine(
                .notice,
                "a watch has lost history, and was given the difference",
                ["etcd.range": "\(range)", "etcd.revision": "\(revision)"]
            )
        // Calls
        case .callStarted(let call):
            LogLine(.trace, "a call begins", .call(call))
        case .callRetried(let call, let endpoint, let error):
            LogLine(
                .debug,
                "a call is made again",
                error: error,
                .call(call).merging(["etcd.endpoint": "\(endpoint)"]) { $1 }
            )
        case .callFinished(let call, let outcome):
            LogLine(outcome.code == nil ? .trace : .debug, "a call has ended", .call(call, outcome))
        }
    }
}

extension Logger.Metadata {
    static func hold(_ key: EtcdKit.Key, _ token: Revision, _ reason: String) -> Logger.Metadata {
        ["etcd.key": "\(key)", "etcd.fencing_token": "\(token)", "etcd.reason": "\(reason)"]
    }

    fileprivate static func call(_ call: EtcdClient.Call) -> Logger.Metadata {
        ["etcd.method": "\(call.method)", "etcd.call": "\(call.id)"]
    }

    fileprivate static func call(_ call: EtcdClient.Call, _ outcome: EtcdClient.CallOutcome) -> Logger.Metadata {
        var metadata = Self.call(call)
        metadata["etcd.code"] = "\(outcome.code?.description ?? "ok")"
        metadata["etcd.attempts"] = "\(outcome.attempts)"
        metadata["etcd.duration"] = "\(outcome.duration)"
        if let endpoint = outcome.endpoint { metadata["etcd.endpoint"] = "\(endpoint)" }
        return metadata
    }
}

extension Logger.MetadataValue {
    static func list(_ values: [some CustomStringConvertible]) -> Logger.MetadataValue {
        .array(values.map { .string($0.description) })
    }
}
