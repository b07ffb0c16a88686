// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A real etcd cluster for the duration of a test, with its own ports and its own folder.
///
/// It is removed by ``stop()``, when the last reference is dropped, and when the process that started it dies, even by
/// SIGKILL. ``withEtcdCluster(members:_:)`` always removes it:
/// ```swift
/// try await withEtcdCluster(members: 3) { cluster in
///     let client = try EtcdClient(endpoints: cluster.endpoints)
///     await cluster.members[0].kill()
///     …
/// }
/// ```
///
/// Elections are fast (a heartbeat of 50 ms, an election timeout of 500 ms), and nothing waits for a disk where that
/// can be avoided.
public final class EtcdCluster: Sendable {
    /// The settings of a cluster.
    public struct Options: Sendable {
        /// The number of members.
        public var memberCount: Int

        /// The etcd server program; nil for the one in the environment variable `ETCD_BINARY`, or the first `etcd` on
        /// `PATH` and in the usual folders.
        public var binary: String?

        /// Further flags for every member.
        ///
        /// They override the default flags.
        public var extraArguments: [String]

        /// The TLS files of the members' client ports; nil for plaintext.
        public var tls: ServerTLS?

        /// Further URLs at which a member serves clients, such as `http://[::1]:12379` or `unix://name:1`.
        package var moreClientURLs: [String] = []

        /// The time for the cluster to become ready.
        public var startTimeout: Duration

        /// Whether members can be cut off from each other, with ``EtcdCluster/isolate(_:)`` and
        /// ``EtcdCluster/cutLink(between:and:)``.
        ///
        /// Only on Linux.
        public var canIsolate = false

        /// Makes options for a cluster.
        ///
        /// - Parameters:
        ///   - memberCount: The number of members.
        ///   - binary: The etcd server program; nil for the installed one.
        ///   - extraArguments: Further flags for every member.
        ///   - startTimeout: The time for the cluster to become ready.
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

    /// The members, running or not, in the order in which they were added.
    public var members: [EtcdMember] { roster.withLock { $0.members } }

    /// The client endpoints of the members, as `127.0.0.1:PORT`, or `https://127.0.0.1:PORT` with TLS.
    public var endpoints: [String] { members.map(\.endpoint) }

    /// The folder of the cluster's data and logs.
    package var folder: String { sandbox.folder }

    private struct Roster {
        var members: [EtcdMember] = []
        var ports: [LoopbackPorts]
    }

    private let binary: EtcdBinary
    private let options: Options
    private let suffix = randomHex()
    private let sandbox: Sandbox
    private let network: PeerNetwork?
    private let roster: Lock<Roster>

    /// Starts a cluster, and returns when every member answers and there is a leader.
    ///
    /// - Parameter members: The number of members.
    /// - Returns: The running cluster.
    /// - Throws: The errors of ``start(_:)``.
    public static func start(members: Int = 1) async throws -> EtcdCluster {
        try await start(Options(memberCount: members))
    }

    /// Starts a cluster, and returns when every member answers and there is a leader.
    ///
    /// - Parameter options: The settings.
    /// - Returns: The running cluster.
    /// - Throws: ``EtcdTestingError``: `binaryNotFound`; `startFailed` or `notReady` with a member's log;
    ///   `system`. Or `CancellationError`. No process is left running.
    public static func start(_ options: Options) async throws -> EtcdCluster {
        let binary = try await EtcdBinary.locate(options.binary)
        for retriesLeft in (0..<3).reversed() {
            let ports = try LoopbackPorts(count: options.portsPerMember * options.memberCount)
            let peerPorts = ports.numbers.prefix(options.memberCount)
            let network = options.canIsolate ? try await PeerNetwork.start(to: peerPorts) : nil
            let cluster = try EtcdCluster(binary, options, ports, network)
            await network?.serve(cluster.members)
            // If this system does not let etcd share a reserved port, the next attempt does not reserve it.
            if retriesLeft < 2 { cluster.releasePorts() }
            do {
                try await cluster.run()
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
    /// It can be called several times and from several tasks; each call waits for the end.
    public func stop() async {
        await sandbox.close()
        await network?.stop()
        releasePorts()
    }

    /// Cuts a member off from all others by dropping packets, while clients still reach it.
    ///
    /// The connections stay open and new ones are accepted, but no data pass. A member is isolated until ``heal(_:)``,
    /// even if it is restarted. Several members may be isolated.
    ///
    /// - Parameter member: The member, of a cluster started with ``Options/canIsolate``.
    public func isolate(_ member: EtcdMember) async {
        precondition(network != nil, "the cluster was not started with canIsolate")
        await network?.cut(member)
    }

    /// Cuts the link between two members in both directions by dropping packets, while both still reach the others.
    ///
    /// As with ``isolate(_:)``, it is cut until ``heal(_:)`` of one of them.
    ///
    /// - Parameters:
    ///   - first: A member, of a cluster started with ``Options/canIsolate``.
    ///   - second: Another one.
    public func cutLink(between first: EtcdMember, and second: EtcdMember) async {
        precondition(network != nil, "the cluster was not started with canIsolate")
        precondition(first !== second, "a link is between two members")
        await network?.cut(first, second)
    }

    /// Lets members reach each other again.
    ///
    /// Data that were sent meanwhile are lost.
    ///
    /// - Parameter member: The isolated member, or a member whose links are cut; nil for all.
    public func heal(_ member: EtcdMember? = nil) async {
        await network?.heal(member)
    }

    /// Delays all data between a member and the others.
    package func delay(_ member: EtcdMember, by duration: Duration) async {
        await network?.delay(member, by: duration)
    }

    /// Adds a member, starts it, and returns when it is ready.
    ///
    /// ```swift
    /// let learner = try await cluster.addMember { peerURL in
    ///     try await client.cluster.add(peerURLs: [peerURL], isLearner: true).members
    /// }
    /// ```
    ///
    /// A learner is ready when it knows the leader; other members are ready as in ``start(_:)``.
    ///
    /// - Parameters:
    ///   - timeout: The time for it to become ready.
    ///   - announce: Adds the member with this peer URL to the cluster, and returns all members.
    /// - Returns: The running member, which is then the last of ``members``.
    /// - Throws: Any error of `announce`. ``EtcdTestingError``: `startFailed`, `notReady`, `system`, or `stopped` after
    ///   ``stop()``.
    public func addMember(
        timeout: Duration = .seconds(30),
        _ announce: (_ peerURL: String) async throws -> [Member]
    ) async throws -> EtcdMember {
        let ports = try LoopbackPorts(count: options.portsPerMember)
        let name = "etcd\(members.count + 1)-\(suffix)"
        let peerURL = "http://\(try await network?.add(ports.numbers[0]) ?? "127.0.0.1:\(ports.numbers[0])")"
        let list = try await announce(peerURL)
        let peers = list.flatMap { member in
            let name = member.peerURLs.contains(peerURL) ? name : member.isStarted ? member.name : "\(member.id)"
            return member.peerURLs.map { (name, $0) }
        }
        let place = Place(
            name: name,
            peerURL: peerURL,
            peerPort: ports.numbers[0],
            clientPort: ports.numbers[1],
            statePort: ports.numbers[options.portsPerMember - 1]
        )
        let member = makeMember(place, of: peers, isNew: false)
        roster.withLock { roster in
            roster.members.append(member)
            roster.ports.append(ports)
        }
        await network?.serve(members)
        try member.start()
        try await member.waitUntilReady(timeout: timeout)
        return member
    }

    private init(_ binary: EtcdBinary, _ options: Options, _ ports: LoopbackPorts, _ network: PeerNetwork?) throws {
        let count = options.memberCount
        self.binary = binary
        self.options = options
        self.network = network
        sandbox = try Sandbox(in: binary.dataFolder(members: count))
        roster = Lock(Roster(ports: [ports]))
        // With TLS, the state of members is requested at ports that their clients do not know.
        let (peerPorts, clientPorts) = (ports.numbers.prefix(count), ports.numbers.dropFirst(count).prefix(count))
        let statePorts = ports.numbers.suffix(count)
        let peerURLs = (network?.endpoints ?? peerPorts.map { "127.0.0.1:\($0)" }).map { "http://\($0)" }
        let places = zip(zip(1...count, peerURLs), zip(peerPorts, zip(clientPorts, statePorts))).map { peer, ports in
            Place(
                name: "etcd\(peer.0)-\(suffix)",
                peerURL: peer.1,
                peerPort: ports.0,
                clientPort: ports.1.0,
                statePort: ports.1.1
            )
        }
        let peers = places.map { ($0.name, $0.peerURL) }
        let members = places.map { makeMember($0, of: peers, isNew: true) }
        roster.withLock { $0.members = members }
    }

    /// The ports and names of a member.
    private struct Place {
        let name: String
        /// The URL at which the other members reach it.
        let peerURL: String
        let peerPort: UInt16
        let clientPort: UInt16
        let statePort: UInt16
    }

    /// Makes a member of a cluster of `peers`, which may be new.
    private func makeMember(_ place: Place, of peers: [(name: String, url: String)], isNew: Bool) -> EtcdMember {
        let client = options.clientURL(place.clientPort)
        var command = [
            binary.path, "--name=\(place.name)", "--data-dir=\(sandbox.folder)/\(place.name)",
            "--listen-client-urls=\(options.listeners(client, place.statePort))", "--advertise-client-urls=\(client)",
            "--listen-peer-urls=http://127.0.0.1:\(place.peerPort)", "--initial-advertise-peer-urls=\(place.peerURL)",
            "--initial-cluster=\(peers.map { "\($0.name)=\($0.url)" }.joined(separator: ","))",
            "--initial-cluster-state=\(isNew ? "new" : "existing")", "--initial-cluster-token=\(suffix)",
            "--heartbeat-interval=50", "--election-timeout=500",
            "--logger=zap", "--log-level=warn", "--log-outputs=stderr",
        ]
        if binary.hasUnsafeNoFsync { command.append("--unsafe-no-fsync") }
        command += (options.tls?.arguments ?? []) + options.extraArguments
        return EtcdMember(
            name: place.name,
            endpoint: options.tls == nil ? "127.0.0.1:\(place.clientPort)" : client,
            statePort: place.statePort,
            command: command,
            sandbox: sandbox,
            // A member that joins may need authentication, where the identity of a port cannot be checked.
            isVerified: !isNew
        )
    }

    private func run() async throws {
        for member in members { try member.start() }
        let deadline = ContinuousClock.now + options.startTimeout
        for member in members { try await member.waitUntilReady(timeout: deadline - .now) }
    }

    private func releasePorts() {
        for ports in roster.withLock({ $0.ports }) { ports.release() }
    }
}

/// Starts a cluster, runs `body` with it, and removes it, however `body` ends.
///
/// - Parameters:
///   - members: The number of members.
///   - body: The work with the running cluster. It runs in the isolation of the caller.
/// - Returns: The result of `body`.
/// - Throws: The errors of ``EtcdCluster/start(_:)`` and `body`.
@discardableResult
public func withEtcdCluster<Result>(
    members: Int = 1,
    _ body: (EtcdCluster) async throws -> Result
) async throws -> Result {
    try await withEtcdCluster(EtcdCluster.Options(memberCount: members), body)
}

/// Starts a cluster, runs `body` with it, and removes it, however `body` ends.
///
/// - Parameters:
///   - options: The settings of the cluster.
///   - body: The work with the running cluster. It runs in the isolation of the caller.
/// - Returns: The result of `body`.
/// - Throws: The errors of ``EtcdCluster/start(_:)`` and `body`.
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
