// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension EtcdClient {
    /// Something that happened to a client, for logs, metrics and traces; see ``Configuration/onEvent``.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// A connection stands.
        case connected(Endpoint)
        /// An attempt to connect has failed.
        case connectFailed(Endpoint, EtcdError)
        /// A connection has ended, for this reason.
        case disconnected(Endpoint, EtcdError)
        /// An endpoint is avoided from now on, because it stalls, has no leader, or is not fit for another reason.
        case suspected(Endpoint, EtcdError)
        /// An endpoint is no longer avoided.
        case trusted(Endpoint)
        /// Calls, a stream of watches or one of leases have gone from one endpoint to another.
        case failedOver(from: Endpoint, to: Endpoint)
        /// The endpoints are others now, after a look at the cluster's list of members.
        case endpointsChanged([Endpoint])
        /// The list of members could not be looked at; the endpoints stay.
        case endpointSyncFailed(EtcdError)
        /// The user was authenticated, and calls go with the new token.
        case tokenRefreshed
        /// The revision of the store was below one seen before: it was restored from a backup, or the endpoint belongs to
        /// another store.
        case revisionFell(from: Revision, to: Revision, Endpoint)
        /// A lease has not been renewed for two thirds of its time to live; it is lost at the instant unless that succeeds.
        case leaseAtRisk(Lease.ID, until: ContinuousClock.Instant, EtcdError?)
        /// A lease that was kept alive is lost, for this reason.
        case leaseLost(Lease.ID, EtcdError)
        /// A session is lost before it was closed, and with it all that stood on it; the reason is the name of a
        /// `CoordinationLoss.Reason` of the patterns, such as `deadline`.
        case sessionLost(Lease.ID, reason: String, EtcdError?)
        /// A lock, a slot or another hold, which has this key and this token, is lost before it was released, though its
        /// session is not.
        case holdLost(Key, fencingToken: Revision, reason: String)
        /// This process leads the election of this name; the number of the term is the token.
        case leadershipGained(Key, fencingToken: Revision)
        /// This process does not lead the election of this name any more, for this reason, `released` if it has resigned.
        case leadershipLost(Key, fencingToken: Revision, reason: String)
        /// A watch was interrupted and goes on, from this revision.
        ///
        /// The keys are those of the whole store, also for a client with a namespace.
        case watchResumed(KeyRange, from: Revision, Endpoint)
        /// A watch or a mirror has lost history, to a compaction or because the store was restored, and its consumer was
        /// given the difference up to this revision.
        ///
        /// The keys are those of the whole store, also for a client with a namespace.
        case watchResynced(KeyRange, at: Revision)
        /// A call begins.
        case callStarted(Call)
        /// A call is made again after a failure.
        case callRetried(Call, Endpoint, EtcdError)
        /// A call has ended: how, where, after how many attempts and how long, and with how large an answer.
        case callFinished(Call, CallOutcome)
    }

    /// A call with one request, and with one answer or a stream of them.
    ///
    /// Watches and the renewals of leases, which share streams, are no calls in this sense. A call whose answer is a stream
    /// ends with the stream: with the code `cancelled` when its consumer has given it up.
    public struct Call: Sendable, Hashable, Identifiable {
        /// The number of the call, which all of its events have, and no other call of the process.
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
    public struct CallOutcome: Sendable, Hashable {
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
    }
}
