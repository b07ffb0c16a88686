// SPDX-License-Identifier: Apache-2.0

extension Endpoint {
    /// Looks up the endpoints of a cluster in DNS, as `etcdctl --discovery-srv` does.
    ///
    /// The SRV records of `_etcd-client-ssl._tcp.DOMAIN` are endpoints with TLS, those of `_etcd-client._tcp.DOMAIN`
    /// plaintext ones:
    ///
    /// ```swift
    /// let endpoints = try await Endpoint.discover(domain: "example.com")
    /// let client = try EtcdClient(EtcdClient.Configuration(endpoints: endpoints))
    /// ```
    ///
    /// Endpoints are ordered by the priorities of their records, and randomly according to their weights. There are 64
    /// at most. If only the look-up of plaintext endpoints fails, those with TLS are returned, and never the other way
    /// round. DNS answers can be forged: use `secureOnly` and check certificates, for example against one name with
    /// ``TLSConfiguration/serverName``. To follow later changes, see ``EtcdClient/Configuration/endpointSyncInterval``.
    ///
    /// - Parameters:
    ///   - domain: The domain.
    ///   - serviceName: The text after a hyphen in the names of the services, as with `--discovery-srv-name`; nil for
    ///     nothing.
    ///   - secureOnly: Leaves out plaintext endpoints.
    ///   - timeout: How long to wait for the name servers in all.
    /// - Returns: At least one endpoint.
    /// - Throws: ``EtcdError``: `invalidArgument` for a domain that cannot be one, `misconfigured` if it has no such records,
    ///   `unavailable` if the name servers give no useful answer, `deadlineExceeded` or `cancelled`.
    public static func discover(
        domain: String,
        serviceName: String? = nil,
        secureOnly: Bool = false,
        timeout: Duration = .seconds(10)
    ) async throws(EtcdError) -> [Endpoint] {
        try await discover(
            domain: domain,
            serviceName: serviceName,
            secureOnly: secureOnly,
            timeout: timeout,
            by: .system
        )
    }

    static func discover(
        domain: String,
        serviceName: String? = nil,
        secureOnly: Bool = false,
        timeout: Duration = .seconds(10),
        by resolver: ServiceResolver
    ) async throws(EtcdError) -> [Endpoint] {
        if domain.isEmpty { throw EtcdError(.invalidArgument, "the domain for the discovery is empty") }
        let deadline = ContinuousClock.Instant.after(timeout)
        var endpoints: [Endpoint] = []
        for scheme in secureOnly ? [Scheme.https] : [.https, .http] {
            let service = "_etcd-client" + (scheme == .https ? "-ssl" : "") + (serviceName.map { "-\($0)" } ?? "")
            let records: [SRVRecord]
            do throws(EtcdError) {
                records = try await resolver.records(of: "\(service)._tcp.\(domain)", until: deadline)
            } catch {
                // Without an answer for the secure service, plaintext endpoints would be a downgrade.
                if endpoints.isEmpty || error.code == .cancelled { throw error }
                break
            }
            var random = SystemRandomNumberGenerator()
            endpoints += SRVRecord.ordered(records, using: &random).compactMap { record in
                try? Endpoint("\(scheme.rawValue)://\(record.target):\(record.port)")
            }
        }
        if endpoints.isEmpty {
            let service = "_etcd-client\(secureOnly ? "-ssl" : "[-ssl]")\(serviceName.map { "-\($0)" } ?? "")"
            throw EtcdError(.misconfigured, "DNS has no SRV record \(service)._tcp.\(domain.printable)")
        }
        return Array(endpoints.prefix(64))
    }
}

/// Looks up SRV records, off the event loop.
final class ServiceResolver: Sendable {
    static let system = ServiceResolver { Platform.serviceAnswer(for: $0) }

    private let work = SharedWork<String, [SRVRecord], EtcdError>()
    private let query: @Sendable (String) -> Result<[UInt8], SocketAddress.LookupError>

    /// Makes a resolver for which `query` asks; it may block.
    init(_ query: @escaping @Sendable (String) -> Result<[UInt8], SocketAddress.LookupError>) { self.query = query }

    /// The SRV records of `name`; none if there is no such name.
    func records(of name: String, until deadline: ContinuousClock.Instant) async throws(EtcdError) -> [SRVRecord] {
        let isName = name.utf8.count <= 253 && name.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        if !isName || name.split(separator: ".", omittingEmptySubsequences: false).dropLast().contains("") {
            throw EtcdError(.invalidArgument, "\"\(name.printable)\" cannot be a name in DNS")
        }
        return try await Completion.run(until: deadline) { interruption in
            interruption == .cancellation
                ? .cancelledTask : EtcdError(.deadlineExceeded, "the name servers gave no answer for \(name) in time")
        } _: { [work, query] completion in
            let request = work.request(
                name,
                { Self.records(of: name, in: query(name)) },
                unstarted: { EtcdError(.unavailable, "cannot look up \(name): \($0)") },
                { completion.complete($0) }
            )
            // Held until then.
            completion.onEnd = { withExtendedLifetime(request) {} }
        }
    }

    private static func records(
        of name: String,
        in answer: Result<[UInt8], SocketAddress.LookupError>
    ) -> Result<[SRVRecord], EtcdError> {
        switch answer {
        case .success(let bytes):
            guard let records = SRVRecord.records(in: bytes) else {
                return .failure(EtcdError(.unavailable, "the answer of the name server for \(name) is malformed"))
            }
            return .success(records)
        case .failure(let error):
            return error.isUnknown ? .success([]) : .failure(EtcdError(.unavailable, error.description))
        }
    }
}
