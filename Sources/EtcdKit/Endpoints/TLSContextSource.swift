// SPDX-License-Identifier: Apache-2.0

/// Gives a TLS context to each new connection, and makes a new context when one of its files has changed.
@EventLoop
package final class TLSContextSource {
    typealias Answer = Result<TLSContext, TLSError>

    struct Made: Sendable {
        let context: TLSContext
        let stamps: [[Int64]]
    }

    typealias Request = SharedWork<TLSMaterial, Made, TLSError>.Request

    // Files, and the system's certificates, may be slow.
    private static let work = SharedWork<TLSMaterial, Made, TLSError>()

    private nonisolated let material: TLSMaterial
    /// The name that the certificates of all servers must be for.
    private nonisolated let serverName: String?
    /// Endpoints without a scheme use TLS.
    private nonisolated let isConfigured: Bool
    private var latest: Made?

    /// A client's source; without a configuration, for endpoints whose scheme requires TLS.
    nonisolated init(_ configuration: TLSConfiguration?, role: TLSContext.Role = .http2Client) {
        material = (configuration ?? TLSConfiguration()).material(role)
        serverName = configuration?.serverName
        isConfigured = configuration != nil
    }

    /// The source of a client that speaks anything but HTTP/2, for the connections of a ``ByteStream``.
    package nonisolated convenience init(forStreams configuration: TLSConfiguration?) {
        self.init(configuration, role: .client)
    }

    /// A server's source.
    nonisolated init(_ configuration: TLSServerConfiguration) {
        material = configuration.material
        serverName = nil
        isConfigured = true
    }

    nonisolated func secures(_ endpoint: Endpoint) -> Bool { endpoint.scheme?.isSecure ?? isConfigured }

    /// The target of a dial for `endpoint`.
    nonisolated func target(of endpoint: Endpoint) -> Endpoint.Target { endpoint.target(isSecure: secures(endpoint)) }

    /// The endpoints, without those that lead to the same place as an earlier one.
    nonisolated func distinct(_ endpoints: [Endpoint]) -> [Endpoint] {
        var seen: Set<Endpoint.Target> = []
        return endpoints.filter { seen.insert(target(of: $0)).inserted }
    }

    /// The name that the certificate of `host` must be for.
    nonisolated func serverName(for host: String) -> String { serverName ?? host }

    /// Calls `completion` with the context, or with why there is none, if the request is kept until then.
    func context(_ completion: @escaping @EventLoop (Answer) -> Void) -> Request {
        let deliver: @EventLoop (Result<Made, TLSError>) -> Void = { [weak self] answer in
            if case .success(let made) = answer { self?.latest = made }
            // A change that is only half written must not stop a server.
            if case .failure = answer, let self, let latest, material.role == .server {
                return completion(.success(latest.context))
            }
            completion(answer.map(\.context))
        }
        if let latest, !material.hasFiles { return Self.work.request(answeredBy: .success(latest), deliver) }
        return Self.work.request(
            material,
            { [material, latest] in
                Result { () throws(TLSError) in try Self.make(material, unlessCurrent: latest) }
            },
            unstarted: { TLSError(.credentials, "cannot read certificates: \($0)") },
            deliver
        )
    }

    private nonisolated static func make(
        _ material: TLSMaterial,
        unlessCurrent latest: Made?
    ) throws(TLSError) -> Made {
        // Before the files are read, so that a later change is noticed the next time.
        let stamps = try material.stamps()
        if let latest, latest.stamps == stamps { return latest }
        return Made(context: try TLSContext(material), stamps: stamps)
    }
}
