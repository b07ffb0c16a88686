// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Keeps track of the members of a cluster and probes them concurrently, so that a frozen member delays no other.
actor ClusterProber {
    private let configuration: EtcdClient.Configuration
    private let options: ClusterMonitor.Options
    private let client: EtcdClient
    /// One client for all members, because it caches the certificates.
    private let http: HTTPClient
    private let start = ContinuousClock.now
    private var connections: [Endpoint: MemberConnection] = [:]
    /// The members of the last known list.
    private var members: [Member] = []
    private var clusterID: UInt64?
    /// The ID of the member at each endpoint.
    private var identities: [Endpoint: Member.ID] = [:]
    private var metricsDue = ContinuousClock.now
    /// The results of the newest comparison of hashes, until a poll takes them, by ``MemberObservation/key``.
    private var hashes: [String: Probe<KeyValueHash>] = [:]
    private var authStatus: (isEnabled: Bool, until: ContinuousClock.Instant)?

    init(_ client: EtcdClient, _ options: ClusterMonitor.Options) {
        configuration = client.configuration
        self.client = client
        http = HTTPClient(tls: client.configuration.tls)
        self.options = options
    }

    /// Probes all members once.
    func poll() async -> ClusterObservation {
        let now = ContinuousClock.now
        // Both askings ask for the metrics, or none: only the answers of the last one count.
        let asksMetrics = now >= metricsDue
        if asksMetrics { metricsDue = now + options.metricsInterval * 0.9 }
        var observation = await askAll(asksMetrics)
        // A member that was just discovered is probed at once.
        if learn(from: observation) {
            observation = await askAll(asksMetrics)
            learn(from: observation)
        }
        if observation.members.contains(where: \.isFailing) {
            // Only metrics of this poll and of the next one show which members still hear each other.
            if !asksMetrics { await visitAll(&observation.members) }
            metricsDue = .now
        }
        settle(&observation.members)
        if let first = observation.members.firstIndex(where: { $0.visit != nil }) {
            observation.members[first].visit?.certificates += ownCertificates
        }
        for index in observation.members.indices {
            observation.members[index].hash = hashes[observation.members[index].key] ?? .skipped
        }
        hashes = [:]
        observation.isAuthEnabled = await isAuthEnabled(observation)
        return observation
    }

    func close() async {
        for connection in connections.values { await connection.close() }
        connections = [:]
    }

    // MARK: Asking

    private func askAll(_ asksMetrics: Bool) async -> ClusterObservation {
        var observation = ClusterObservation(time: Date(), uptime: .now - start, members: targets())
        await drop(notIn: Set(observation.members.compactMap(\.endpoint)))
        observation.members = await ask(observation.members) { [probeKey = options.probeKey] connection, member in
            async let visit = asksMetrics ? connection.visit() : nil
            await connection.call(&member, probeKey)
            member.visit = await visit
        }
        return observation
    }

    /// Reads the metrics of all members.
    private func visitAll(_ members: inout [MemberObservation]) async {
        members = await ask(members) { connection, member in member.visit = await connection.visit() }
    }

    /// Asks each member that has started, all at the same time.
    private func ask(
        _ members: [MemberObservation],
        _ question: @escaping @Sendable (MemberConnection, inout MemberObservation) async -> Void
    ) async -> [MemberObservation] {
        var answers = members
        await withTaskGroup(of: (Int, MemberObservation).self) { group in
            for (index, member) in members.enumerated() where member.isStarted {
                guard let endpoint = member.endpoint else { continue }
                do throws(EtcdError) {
                    let connection = try connection(to: endpoint, of: member)
                    group.addTask {
                        var member = member
                        await question(connection, &member)
                        return (index, member)
                    }
                } catch {
                    // Certificate files that cannot be read are read again at the next poll.
                    answers[index].status = .failed(ProbeFailure(error, isLate: false))
                    answers[index].visit = MetricsVisit()
                }
            }
            for await (index, answer) in group { answers[index] = answer }
        }
        return answers
    }

    /// The members and endpoints to probe: each member once, and each endpoint that belongs to none.
    private func targets() -> [MemberObservation] {
        var endpoints = configuration.endpoints
        var targets: [MemberObservation] = []
        for member in members {
            let reachable = client.endpoints(of: member)
            let configured = endpoints.filter {
                identities[$0] == member.id || identities[$0] == nil && reachable.contains($0)
            }
            endpoints.removeAll(where: configured.contains)
            let override = options.endpoints[member.name] ?? options.endpoints[member.id.description]
            targets.append(target(member, at: override ?? configured.first ?? reachable.first))
        }
        for endpoint in endpoints {
            var target = MemberObservation(id: identities[endpoint], endpoint: endpoint)
            target.isListed = target.id == nil
            target.isSecure = client.secures(endpoint)
            targets.append(target)
        }
        return targets
    }

    private func target(_ member: Member, at endpoint: Endpoint?) -> MemberObservation {
        var target = MemberObservation(id: member.id, name: member.name, endpoint: endpoint)
        target.isStarted = member.isStarted
        target.isLearner = member.isLearner
        target.isSecure = endpoint.map(client.secures) ?? false
        return target
    }

    private func connection(to endpoint: Endpoint, of target: MemberObservation) throws(EtcdError) -> MemberConnection {
        if let connection = connections[endpoint] { return connection }
        let id = target.id?.description ?? ""
        let connection = try MemberConnection(
            endpoint,
            metricsEndpoint: options.metricsEndpoints[target.name] ?? options.metricsEndpoints[id],
            configuration,
            http: http,
            timeout: options.timeout
        )
        connections[endpoint] = connection
        return connection
    }

    /// The monitor's own certificates.
    ///
    /// A file that cannot be read shows as a failure of the probes.
    private var ownCertificates: [CertificateReading] {
        let certificates = try? configuration.tls?.certificates()
        return (certificates ?? []).map { certificate in
            let end = Date(timeIntervalSince1970: certificate.notAfter)
            return CertificateReading(subject: certificate.subject, role: .client, notAfter: end)
        }
    }

    private func drop(notIn endpoints: Set<Endpoint>) async {
        for (endpoint, connection) in connections
        where !endpoints.contains(endpoint) || connection.leadsToAnotherCluster {
            connections[endpoint] = nil
            await connection.close()
        }
    }

    /// Whether authentication is on.
    ///
    /// One member is asked once a minute.
    private func isAuthEnabled(_ observation: ClusterObservation) async -> Bool? {
        if let authStatus, authStatus.until > .now { return authStatus.isEnabled }
        let answering = observation.members.first { $0.isListed && $0.serializableRead.answer != nil }
        let connection = answering?.endpoint.flatMap { connections[$0] }
        authStatus = await connection?.isAuthEnabled().map { ($0, .now + .seconds(60)) }
        if let authStatus { return authStatus.isEnabled }
        if observation.members.contains(where: { $0.serializableRead.failure?.reason == .unauthorized }) { return true }
        // etcd before 3.5 does not report it, but it refuses clients without a user when authentication is on.
        let isNameless = configuration.credentials == nil && configuration.tls?.certificateChain == nil
        return answering != nil && isNameless ? false : nil
    }

    // MARK: Members

    /// Records the IDs of the members.
    ///
    /// Returns whether there are members that have not been probed.
    @discardableResult
    private func learn(from observation: ClusterObservation) -> Bool {
        for member in observation.members {
            guard let endpoint = member.endpoint, let header = member.status.answer?.header else { continue }
            // A new member's metrics are read with the next poll, those of all at the same time.
            if identities.updateValue(header.memberID, forKey: endpoint) != header.memberID { metricsDue = .now }
        }
        clusterID = observation.clusterID(preferring: clusterID)
        let lists = observation.members.compactMap { member -> [Member]? in
            let cluster = member.status.answer?.header.clusterID
            return cluster == nil || cluster == clusterID ? member.memberList.answer : nil
        }
        guard let list = Self.mostFrequent(lists.filter { !$0.isEmpty }) else { return false }
        let asked = Set(observation.members.compactMap { $0.status.answer?.header.memberID ?? $0.id })
        members = list
        return list.contains { $0.isStarted && !asked.contains($0.id) && !client.endpoints(of: $0).isEmpty }
    }

    /// The most frequent value; of several, the first one.
    private static func mostFrequent<Value: Hashable>(_ values: [Value]) -> Value? {
        let counts = values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        return values.max { left, right in counts[left, default: 0] < counts[right, default: 0] }
    }

    /// Completes the observations, and drops members that were removed and no longer answer.
    private func settle(_ observed: inout [MemberObservation]) {
        let list = members
        let seen = Set(observed.compactMap { $0.status.answer?.header.memberID ?? $0.id })
        for member in list where !seen.contains(member.id) { observed.append(target(member, at: nil)) }
        for index in observed.indices {
            let member = observed[index]
            let id = member.status.answer?.header.memberID ?? member.id
            let isForeign = member.status.answer.map { $0.header.clusterID != clusterID } ?? false
            let listed = isForeign ? nil : list.first { $0.id == id }
            observed[index].id = id
            if let listed {
                observed[index].name = listed.name
                observed[index].isLearner = listed.isLearner
            }
            observed[index].isListed = listed != nil || id == nil || list.isEmpty && !isForeign
        }
        observed.removeAll { $0.id != nil && !$0.isListed && $0.status.answer == nil }
    }

    // MARK: Hashes

    /// Compares the data of the voters again and again, until the task is cancelled.
    ///
    /// Each result is part of the next poll. The polls do not wait for it: a hash reads a whole database.
    func compareHashes() async {
        guard let interval = options.hashInterval else { return }
        while !Task.isCancelled {
            // Before the first poll, the members are unknown.
            let isEarly = members.isEmpty
            if !isEarly { await compareOnce() }
            await Task.pause(for: isEarly ? options.interval : interval)
        }
    }

    /// Requests the hash at one revision that all voters have.
    private func compareOnce() async {
        var voters: [MemberObservation] = []
        for _ in 1...3 {
            var asked = await ask(targets()) { connection, member in member.status = await connection.status() }
            settle(&asked)
            asked.removeAll { !$0.isListed || $0.isLearner || $0.status.answer == nil }
            let revisions = asked.compactMap { $0.status.answer?.header.revision }
            guard let revision = revisions.min(), asked.count > 1 else { break }
            voters = await ask(asked) { connection, member in member.hash = await connection.hash(at: revision) }
            // The revision may have been compacted meanwhile, so try again at a newer one.
            guard voters.contains(where: { $0.hash.failure?.reason == .serverError }) else { break }
        }
        for voter in voters { hashes[voter.key] = voter.hash }
    }
}

extension MemberConnection {
    /// Makes all calls concurrently.
    fileprivate func call(_ member: inout MemberObservation, _ probeKey: Key) async {
        let isLearner = member.isLearner
        async let status = status()
        async let serializable = read(probeKey, serializable: true)
        async let linearizable = isLearner ? .skipped : read(probeKey, serializable: false)
        async let list = isLearner ? .skipped : memberList()
        member.status = await status
        member.serializableRead = await serializable
        member.linearizableRead = await linearizable
        member.memberList = await list
    }
}
