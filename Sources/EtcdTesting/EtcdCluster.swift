// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A real etcd of one or more members for the length of a test: on ports of its own, in a folder of its own, and
/// removed afterwards.
///
/// It is removed by ``stop()``, when the last reference is dropped, and when the process that started it dies, even of
/// SIGKILL. ``withEtcdCluster(members:_:)`` is the way to use it that cannot be forgotten:
///
/// ```swift
/// try await withEtcdCluster(members: 3) { cluster in
///     let client = try EtcdClient(endpoints: cluster.endpoints)
///     await cluster.members[0].kill()
///     …
/// }
/// ```
///
/// Elections are quick (a heartbeat of 50 ms, an election timeout of 500 ms), and nothing waits for a disk where that
/// can be avoided.
public final class EtcdCluster: Sendable {
    /// How to start a cluster.
    public struct Options: Sendable {
        /// The number of members.
        public var memberCount: Int

        /// The etcd server program; nil for the one that the environment variable `ETCD_BINARY` names, or else the
        /// first `etcd` on `PATH` and in the usual folders.
        public var binary: String?

        /// More flags for every member.
        ///
        /// They win over the ones given by default.
        public var extraArguments: [String]

        /// The files with which the members serve clients by TLS; nil for plaintext.
        public var tls: ServerTLS?

        /// More URLs at which a member serves clients, such as `http://[::1]:12379` or `unix://name:1`.
        package var moreClientURLs: [String] = []

        /// How long the cluster may take to become ready.
        public var startTimeout: Duration

        /// Whether members can be cut off from each other, with ``EtcdCluster/isolate(_:)``.
        ///
        /// On Linux only.
        public var canIsolate = false

        /// Options for a cluster.
        ///
        /// - Parameters:
        ///   - memberCount: The number of members.
        ///   - binary: The etcd server program; nil for the installed one.
        ///   - extraArguments: More flags for every member.
        ///   - startTimeout: How long the cluster may take to become ready.
        public init(
            memberCount: Int = 1,
            binary: String? = nil,
            extraArguments: [String] = [],
            startTimeout: Duration = .seconds(30)
        ) {
            precondition(memberCount > 0, "a cluster has at least one member")
            self.memberCount = memberCount
            self.binary = binary
            self.extraArguments = extraArguments
            self.startTimeout = startTimeout
        }
    }

    /// The members, running or not.
    public let members: [EtcdMember]

    /// Where the members serve clients, as `127.0.0.1:PORT`, or `https://127.0.0.1:PORT` with TLS.
    public var endpoints: [String] { members.map(\.endpoint) }

    /// Where the cluster keeps its data and its logs.
    package var folder: String { sandbox.folder }

    private let sandbox: Sandbox
    private let ports: LoopbackPorts
    private let network: PeerNetwork?

    /// Starts a cluster, and returns when every member answers and there is a leader.
    ///
    /// - Parameter members: The number of members.
    /// - Returns: The running cluster.
    /// - Throws: As ``start(_:)``.
    public static func start(members: Int = 1) async throws -> EtcdCluster {
        try await start(Options(memberCount: members))
    }

    /// Starts a cluster, and returns when every member answers and there is a leader.
    ///
    /// - Parameter options: How to start it.
    /// - Returns: The running cluster.
    /// - Throws: ``EtcdTestingError``: `binaryNotFound`; `startFailed` or `notReady` with a member's log;
    ///   `system`. Or `CancellationError`. Nothing is left running.
    public static func start(_ options: Options) async throws -> EtcdCluster {
        let binary = try await EtcdBinary.locate(options.binary)
        for retriesLeft in (0..<3).reversed() {
            let ports = try LoopbackPorts(count: (options.tls == nil ? 2 : 3) * options.memberCount)
            let peerPorts = ports.numbers.prefix(options.memberCount)
            let network = options.canIsolate ? try await PeerNetwork.start(to: peerPorts) : nil
            let cluster = try EtcdCluster(binary, options, ports, network)
            await network?.serve(cluster.members)
            // Should this system not let etcd share a port with us, the next attempt does without.
            if retriesLeft < 2 { cluster.ports.release() }
            do {
                try await cluster.run(options)
                return cluster
            } catch {
                let portWasTaken = cluster.members.contains { $0.logExcerpt.contains("address already in use") }
                await cluster.stop()
                guard portWasTaken, retriesLeft > 0 else { throw error }
            }
        }
        throw EtcdTestingError(code: .startFailed, message: "no free ports")
    }

    /// Kills all members and removes their data.
    ///
    /// Can be called again, and from several tasks: each waits for the end.
    public func stop() async {
        await sandbox.close()
        await network?.stop()
        ports.release()
    }

    /// Cuts a member off from all others, without a word, while clients still reach it.
    ///
    /// The connections stay open and new ones are accepted, but nothing passes. A member is isolated until ``heal(_:)``,
    /// also when it is restarted. Several may be.
    ///
    /// - Parameter member: The member, of a cluster started with ``Options/canIsolate``.
    public func isolate(_ member: EtcdMember) async {
        precondition(network != nil, "the cluster was not started with canIsolate")
        await network?.setIsolated(true, member)
    }

    /// Lets members reach each other again.
    ///
    /// What was sent meanwhile is lost.
    ///
    /// - Parameter member: The member to be isolated no longer; nil for all.
    public func heal(_ member: EtcdMember? = nil) async {
        if let member { await network?.setIsolated(false, member) } else { await network?.heal() }
    }

    private init(_ binary: EtcdBinary, _ options: Options, _ ports: LoopbackPorts, _ network: PeerNetwork?) throws {
        let count = options.memberCount
        let suffix = randomHex()
        self.ports = ports
        self.network = network
        sandbox = try Sandbox(in: binary.dataFolder(members: count))
        let peerPorts = ports.numbers.prefix(count)
        let clientPorts = ports.numbers.dropFirst(count).prefix(count)
        // With TLS, members are asked for their state at ports of which their clients do not know.
        let statePorts = ports.numbers.suffix(count)
        let names = (1...count).map { "etcd\($0)-\(suffix)" }
        let advertisedPeers = (network?.endpoints ?? peerPorts.map { "127.0.0.1:\($0)" }).map { "http://\($0)" }
        let initialCluster = zip(names, advertisedPeers).map { "\($0)=\($1)" }.joined(separator: ",")
        let peers = zip(advertisedPeers, peerPorts)
        let clients = zip(clientPorts, statePorts)
        members = zip(names, zip(peers, clients)).map { [sandbox] name, ports in
            let ((advertisedPeer, peerPort), (clientPort, statePort)) = ports
            let client = options.clientURL(clientPort)
            let listeners = options.listeners(client, statePort)
            var command = [
                binary.path, "--name=\(name)", "--data-dir=\(sandbox.folder)/\(name)",
                "--listen-client-urls=\(listeners)", "--advertise-client-urls=\(client)",
                "--listen-peer-urls=http://127.0.0.1:\(peerPort)", "--initial-advertise-peer-urls=\(advertisedPeer)",
                "--initial-cluster=\(initialCluster)", "--initial-cluster-token=\(suffix)",
                "--heartbeat-interval=50", "--election-timeout=500",
                "--logger=zap", "--log-level=warn", "--log-outputs=stderr",
            ]
            if binary.hasUnsafeNoFsync { command.append("--unsafe-no-fsync") }
            command += (options.tls?.arguments ?? []) + options.extraArguments
            let endpoint = options.tls == nil ? "127.0.0.1:\(clientPort)" : client
            return EtcdMember(name: name, endpoint: endpoint, statePort: statePort, command: command, sandbox: sandbox)
        }
    }

    private func run(_ options: Options) async throws {
        for member in members { try member.start() }
        let deadline = ContinuousClock.now + options.startTimeout
        for member in members { try await member.waitUntilReady(timeout: deadline - .now) }
    }
}

/// Starts a cluster, lends it to `body`, and removes it, however `body` ends.
///
/// - Parameters:
///   - members: The number of members.
///   - body: What to do with the running cluster. It runs where the caller runs.
/// - Returns: What `body` returns.
/// - Throws: What ``EtcdCluster/start(_:)`` and `body` throw.
@discardableResult
public func withEtcdCluster<Result>(
    members: Int = 1,
    _ body: (EtcdCluster) async throws -> Result
) async throws -> Result {
    try await withEtcdCluster(EtcdCluster.Options(memberCount: members), body)
}

/// Starts a cluster, lends it to `body`, and removes it, however `body` ends.
///
/// - Parameters:
///   - options: How to start the cluster.
///   - body: What to do with the running cluster. It runs where the caller runs.
/// - Returns: What `body` returns.
/// - Throws: What ``EtcdCluster/start(_:)`` and `body` throw.
@discardableResult
public func withEtcdCluster<Result>(
    _ options: EtcdCluster.Options,
    _ body: (EtcdCluster) async throws -> Result
) async throws -> Result {
    let cluster = try await EtcdCluster.start(options)
    do {
        let result = try await body(cluster)
        await cluster.stop()
        return result
    } catch {
        await cluster.stop()
        throw error
    }
}
