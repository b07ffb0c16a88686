// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension EtcdClient {
    /// Something that happened to a client, for logs, metrics and traces; see ``Configuration/onEvent``.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// A connection stands.
        case connected(Endpoint)
        /// An attempt to connect has failed.
        case connectFailed(Endpoint, EtcdError)
        /// A connection has ended, for this reason.
        case disconnected(Endpoint, EtcdError)
        /// An endpoint is avoided from now on, because it stalls, has no leader, or is unhealthy for another reason.
        case suspected(Endpoint, EtcdError)
        /// An endpoint is no longer avoided.
        case trusted(Endpoint)
        /// Calls, a stream of watches or a stream of leases have moved from one endpoint to another.
        case failedOver(from: Endpoint, to: Endpoint)
        /// The endpoints have changed to those of the cluster's list of members.
        case endpointsChanged([Endpoint])
        /// The list of members could not be read; the endpoints do not change.
        case endpointSyncFailed(EtcdError)
        /// The user was authenticated, and calls use the new token.
        case tokenRefreshed
        /// The revision of the store was below one seen before: it was restored from a backup, or the endpoint belongs to
        /// another store.
        case revisionFell(from: Revision, to: Revision, Endpoint)
        /// A lease has not been renewed for two thirds of its time to live; it is lost at the instant unless it is
        /// renewed.
        case leaseAtRisk(Lease.ID, until: ContinuousClock.Instant, EtcdError?)
        /// A lease that was kept alive is lost, for this reason.
        case leaseLost(Lease.ID, EtcdError)
        /// A session was lost before it was closed, with everything that depends on it; the reason is the name of a
        /// `CoordinationLoss.Reason` of the patterns, such as `deadline`.
        case sessionLost(Lease.ID, reason: String, EtcdError?)
        /// A lock, a semaphore slot or another hold with this key and token was lost before it was released, although
        /// its session was not.
        case holdLost(Key, fencingToken: Revision, reason: String)
        /// This process leads the election with this name; the fencing token identifies the term.
        case leadershipGained(Key, fencingToken: Revision)
        /// This process no longer leads the election with this name, for this reason: `released` if it has resigned.
        case leadershipLost(Key, fencingToken: Revision, reason: String)
        /// A watch was interrupted, and was resumed from this revision.
        ///
        /// The keys are those of the whole store, also for a client with a namespace.
        case watchResumed(KeyRange, from: Revision, Endpoint)
        /// A watch or a mirror has missed changes, because of a compaction or a restored store, and its consumer got
        /// the difference up to this revision.
        ///
        /// The keys are those of the whole store, also for a client with a namespace.
        case watchResynced(KeyRange, at: Revision)
        /// A call begins.
        case callStarted(Call)
        /// A call is made again after a failure.
        case callRetried(Call, Endpoint, EtcdError)
        /// A call has ended; the outcome has its endpoint, attempts, duration, size and code.
        case callFinished(Call, CallOutcome)

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

    /// A call with one request, and with one answer or a stream of them.
    ///
    /// Watches and the renewals of leases, which share streams, are not calls in this sense. A call whose answer is a
    /// stream ends with the stream: with the code `cancelled` if its consumer dropped it.
    public struct Call: Sendable, Hashable, Identifiable {
        /// The number of the call, which is unique in the process and the same in all events of the call.
        public let id: UInt64
        /// The gRPC method, such as `/etcdserverpb.KV/Put`.
        public let method: String
        /// The size of the request in bytes.
        public let requestSize: Int

        private static let lastID = Atomic<UInt64>(0)

        /// Makes a call, for tests of an interceptor.
        ///
        /// - Parameters:
        ///   - method: The gRPC method.
        ///   - requestSize: The size of the request in bytes.
        public init(method: String, requestSize: Int) {
            id = Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
            self.method = method
            self.requestSize = requestSize
        }
    }

    /// How a call has ended.
    public struct CallOutcome: Sendable, Hashable, CustomStringConvertible {
        /// The endpoint of the last attempt; nil if there was none.
        public let endpoint: Endpoint?
        /// How often the call was made.
        public let attempts: Int
        /// How long the call has taken in all.
        public let duration: Duration
        /// The size of the answer in bytes, of all answers of a stream; 0 if there is none.
        public let responseSize: Int
        /// The code of the error that was thrown; nil after success.
        public let code: EtcdError.Code?

        /// Makes an outcome, for tests of an interceptor.
        ///
        /// - Parameters:
        ///   - endpoint: The endpoint of the last attempt; nil if there was none.
        ///   - attempts: How often the call was made.
        ///   - duration: How long the call has taken in all.
        ///   - responseSize: The size of the answer in bytes.
        ///   - code: The code of the error that was thrown; nil after success.
        public init(
            endpoint: Endpoint?,
            attempts: Int,
            duration: Duration,
            responseSize: Int,
            code: EtcdError.Code? = nil
        ) {
            self.endpoint = endpoint
            self.attempts = attempts
            self.duration = duration
            self.responseSize = responseSize
            self.code = code
        }

        /// The outcome in one line.
        public var description: String {
            let place = endpoint.map { " at \($0)" } ?? ""
            let count = attempts == 1 ? "1 attempt" : "\(attempts) attempts"
            return "\(code?.description ?? "succeeded")\(place) after \(duration), \(count), \(responseSize) bytes"
        }
    }
}
