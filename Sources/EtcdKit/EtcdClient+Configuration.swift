// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// How a client reaches etcd.
    public struct Configuration: Sendable {
        /// The members of the cluster, at least one.
        public var endpoints: [Endpoint]
        /// How connections are protected by TLS.
        ///
        /// With nil, endpoints without a scheme are plaintext, and `https://` ones trust the system's authorities.
        public var tls: TLSConfiguration?
        /// The user that the client acts as; nil for a cluster without authentication, or one that identifies users by
        /// their certificates.
        public var credentials: Credentials?
        /// Which endpoint a call goes to.
        public var failover = FailoverPolicy.roundRobin
        /// When a failed call is repeated.
        public var retry = RetryPolicy()
        /// How often the endpoints are replaced by those of the cluster's members; nil for never.
        ///
        /// See ``EtcdClient/syncEndpoints()``.
        public var endpointSyncInterval: Duration?
        /// How long one attempt to connect to an endpoint may take.
        public var connectTimeout: Duration = .seconds(2)
        /// How long a call may take in total, including connecting and repetitions.
        ///
        /// Streams, such as watches, have no limit.
        public var callTimeout: Duration = .seconds(10)
        /// A call without a connection waits for one until its deadline; with false, it fails fast.
        ///
        /// A call that fails fast throws ``EtcdError/Code/unavailable`` with the reasons as soon as the last attempt to
        /// connect to each endpoint has failed: at once, if the next attempts are not due yet (see ``backoff``). An endpoint
        /// that did not answer at all is given one more attempt. See also ``EtcdClient/with(waitsForConnection:)``.
        public var waitsForConnection = true
        /// Fields that go with everything that the client sends: calls, watches and lease renewals.
        public var metadata = CallMetadata()
        /// The interceptors of calls, the outermost first; see ``CallInterceptor``.
        public var interceptors: [any CallInterceptor] = []
        /// How long to wait between attempts to connect.
        public var backoff = Backoff()
        /// How long a connection may be silent while calls or watches are open before it is tested with a ping.
        ///
        /// At least 5 s with etcd's defaults; servers treat shorter intervals as abuse. If a server complains, the
        /// interval is doubled for its endpoint.
        public var pingInterval: Duration = .seconds(10)
        /// How long the answer to a ping may take before the connection is closed.
        public var pingTimeout: Duration = .seconds(5)
        /// How long a stream of watches may be silent before the client requests its progress.
        ///
        /// If there is no answer within ``pingTimeout``, the watches are moved to another endpoint.
        public var watchProbeInterval: Duration = .seconds(10)
        /// The largest message that is accepted from a server, in bytes; 64 MiB by default.
        ///
        /// While it is decoded, it may take up about four times as much memory again. Pages, such as those of
        /// ``EtcdClient/entries(in:pageSize:options:)``, come in messages of a megabyte or so. A watch gets the changes of
        /// one revision in several messages, which may have eight times this size in all.
        public var maximumMessageSize = 64 << 20
        /// Receives the events of the client, for logs, metrics and traces.
        ///
        /// It is called on any thread, including that of the client's connections, and must not block. Events hold no
        /// passwords and no tokens.
        public var onEvent: (@Sendable (EtcdClient.Event) -> Void)?

        /// Resolves host names.
        var resolver = HostResolver.system

        /// Makes a configuration with everything but the endpoints at its default.
        ///
        /// - Parameter endpoints: The members of the cluster, at least one.
        public init(endpoints: [Endpoint]) {
            self.endpoints = endpoints
        }

        /// Makes a configuration with everything but the endpoints at its default.
        ///
        /// - Parameter endpoints: The members of the cluster, separated by commas, such as `10.0.0.1:2379,10.0.0.2:2379`.
        /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
        public init(endpoints: String) throws(EtcdError) {
            self.endpoints = try Endpoint.list(endpoints)
        }

        /// Makes a configuration with everything but the endpoints at its default.
        ///
        /// - Parameter endpoints: The members of the cluster, at least one, each such as `10.0.0.1:2379`.
        /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
        public init(endpoints: [String]) throws(EtcdError) {
            self.endpoints = []
            for endpoint in endpoints { self.endpoints.append(try Endpoint(endpoint)) }
        }

        /// All times, with their names.
        static var times: [(String, WritableKeyPath<Self, Duration>)] {
            [
                ("connectTimeout", \.connectTimeout), ("callTimeout", \.callTimeout),
                ("pingInterval", \.pingInterval), ("pingTimeout", \.pingTimeout),
                ("watchProbeInterval", \.watchProbeInterval), ("retry.attemptTimeout", \.retry.attemptTimeout),
                ("backoff.initial", \.backoff.initial), ("backoff.maximum", \.backoff.maximum),
                ("retry.backoff.initial", \.retry.backoff.initial), ("retry.backoff.maximum", \.retry.backoff.maximum),
            ]
        }

        /// Refuses what cannot work, before anything is built on it, and bounds what never ends.
        func checked() throws(EtcdError) -> Configuration {
            var result = self
            if endpoints.isEmpty { throw EtcdError(.invalidEndpoint, "a client needs at least one endpoint") }
            let syncInterval = ("endpointSyncInterval", endpointSyncInterval ?? .seconds(1))
            for (name, duration) in Self.times.map({ ($0, self[keyPath: $1]) }) + [syncInterval]
            where duration <= .zero {
                throw EtcdError(.invalidArgument, "\(name) is \(duration), but must be longer than zero")
            }
            for (_, time) in Self.times { result[keyPath: time] = self[keyPath: time].bounded }
            result.endpointSyncInterval = endpointSyncInterval?.bounded
            try tls?.checkConsistency()
            for (name, count) in [
                ("retry.maximumAttempts", retry.maximumAttempts), ("maximumMessageSize", maximumMessageSize),
            ] where count < 1 {
                throw EtcdError(.invalidArgument, "\(name) is \(count), but must be positive")
            }
            try credentials?.validate()
            try metadata.validate()
            // The largest size that gRPC can express.
            result.maximumMessageSize = min(maximumMessageSize, Int(UInt32.max))
            return result
        }
    }
}
