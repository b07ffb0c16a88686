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
    private var hashDue: ContinuousClock.Instant?
    private var authStatus: (isEnabled: Bool, until: ContinuousClock.Instant)?

    init(_ client: EtcdClient, _ options: ClusterMonitor.Options) {
        configuration = client.configuration
        self.client = client
        http = HTTPClient(tls: client.configuration.tls)
        self.options = options
        hashDue = options.hashInterval.map { _ in .now }
    }

    /// Probes all members once.
    func poll() async -> ClusterObservation {
        var observation = await askAll()
        // A member that was just discovered is probed at once.
        if learn(from: observation) {
            observation = await askAll()
            learn(from: observation)
        }
        settle(&observation)
        observation.isAuthEnabled = await isAuthEnabled(observation)
        await compareHashes(in: &observation)
        return observation
    }

    func close() async {
        for connection in connections.values { await connection.close() }
        connections = [:]
    }

    // MARK: Asking

    private func askAll() async -> ClusterObservation {
        let now = ContinuousClock.now
        let (time, uptime) = (Date(), now - start)
        let asksMetrics = now >= metricsDue
        if asksMetrics { metricsDue = now + options.metricsInterval * 0.9 }
        let targets = targets()
        await drop(notIn: Set(targets.compactMap(\.endpoint)))
        var observed = targets
        await withTaskGroup(of: (Int, MemberObservation).self) { group in
            for (index, target) in targets.enumerated() where target.isStarted {
                guard let endpoint = target.endpoint else { continue }
                do throws(EtcdError) {
                    let connection = try connection(to: endpoint, of: target)
                    group.addTask { [options] in
                        (index, await connection.observe(target, asksMetrics: asksMetrics, options))
                    }
                } catch {
                    // Certificate files that cannot be read are read again at the next poll.
                    observed[index].status = .failed(ProbeFailure(error, isLate: false))
                }
            }
            for await (index, observation) in group { observed[index] = observation }
        }
        if asksMetrics, !observed.isEmpty { observed[0].certificates += ownCertificates }
        return ClusterObservation(time: time, uptime: uptime, members: observed)
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
            identities[endpoint] = header.memberID
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

    /// Completes the observation of each member, and drops members that were removed and no longer answer.
    private func settle(_ observation: inout ClusterObservation) {
        let list = members
        let seen = Set(observation.members.compactMap { $0.status.answer?.header.memberID ?? $0.id })
        for member in list where !seen.contains(member.id) { observation.members.append(target(member, at: nil)) }
        for index in observation.members.indices {
            let member = observation.members[index]
            let id = member.status.answer?.header.memberID ?? member.id
            let isForeign = member.status.answer.map { $0.header.clusterID != clusterID } ?? false
            let listed = isForeign ? nil : list.first { $0.id == id }
            observation.members[index].id = id
            if let listed {
                observation.members[index].name = listed.name
                observation.members[index].isLearner = listed.isLearner
            }
            observation.members[index].isListed = listed != nil || id == nil || list.isEmpty && !isForeign
        }
        observation.members.removeAll { $0.id != nil && !$0.isListed && $0.status.answer == nil }
    }

    // MARK: Hashes

    /// Requests the hash at one revision that all voters have.
    private func compareHashes(in observation: inout ClusterObservation) async {
        guard let due = hashDue, due <= .now, let interval = options.hashInterval else { return }
        hashDue = .now + interval
        for attempt in 1...3 {
            let voters = observation.members.indices.filter { index in
                let member = observation.members[index]
                return member.isListed && !member.isLearner && member.status.answer != nil
            }
            let revisions = voters.compactMap { observation.members[$0].status.answer?.header.revision }
            guard let revision = revisions.min(), voters.count > 1 else { return }
            var isBehind = false
            await withTaskGroup(of: (Int, Result<Probe<KeyValueHash>, EtcdError>).self) { group in
                for index in voters {
                    guard let connection = observation.members[index].endpoint.flatMap({ connections[$0] }) else {
                        continue
                    }
                    group.addTask { (index, await connection.hash(at: revision)) }
                }
                for await (index, result) in group {
                    switch result {
                    case .success(let probe): observation.members[index].hash = probe
                    case .failure(let error):
                        if [.compacted, .futureRevision].contains(error.code) { isBehind = true }
                        observation.members[index].hash = .failed(ProbeFailure(error, isLate: false))
                    }
                }
            }
            // The revision was compacted meanwhile, so try again at a newer one.
            guard isBehind, attempt < 3 else { return }
            for index in voters {
                guard let connection = observation.members[index].endpoint.flatMap({ connections[$0] }) else {
                    continue
                }
                observation.members[index].status = await connection.status()
            }
        }
    }
}

extension MemberConnection {
    /// Makes all probes concurrently.
    fileprivate func observe(
        _ target: MemberObservation,
        asksMetrics: Bool,
        _ options: ClusterMonitor.Options
    ) async -> MemberObservation {
        async let status = status()
        async let serializable = read(options.probeKey, serializable: true)
        async let linearizable = target.isLearner ? .skipped : read(options.probeKey, serializable: false)
        async let list = target.isLearner ? .skipped : memberList()
        async let visit = asksMetrics ? metrics() : MetricsVisit(page: .skipped)
        async let raft = asksMetrics ? raft() : .skipped
        var observation = target
        observation.status = await status
        observation.serializableRead = await serializable
        observation.linearizableRead = await linearizable
        observation.memberList = await list
        observation.raft = await raft
        let visited = await visit
        observation.metrics = visited.page
        observation.clockOffset = visited.clockOffset
        observation.certificates = visited.certificates
        return observation
    }
}
