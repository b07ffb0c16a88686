// SPDX-License-Identifier: Apache-2.0

/// Gives a client's TLS context to whoever connects, made anew when one of its files has changed.
@EventLoop
final class TLSContextSource {
    typealias Answer = Result<TLSContext, TLSError>

    struct Made: Sendable {
        let context: TLSContext
        let stamps: [[Int64]]
    }

    typealias Request = SharedWork<TLSConfiguration, Made, TLSError>.Request

    // Files, and the system's certificates, may be slow.
    private static let work = SharedWork<TLSConfiguration, Made, TLSError>()

    private nonisolated let configuration: TLSConfiguration
    /// Endpoints without a scheme use TLS.
    private nonisolated let isConfigured: Bool
    private var latest: Made?

    nonisolated init(_ configuration: TLSConfiguration?) {
        self.configuration = configuration ?? TLSConfiguration()
        isConfigured = configuration != nil
    }

    nonisolated func secures(_ endpoint: Endpoint) -> Bool { endpoint.scheme?.isSecure ?? isConfigured }

    /// The target of a dial for `endpoint`.
    nonisolated func target(of endpoint: Endpoint) -> Endpoint.Target { endpoint.target(isSecure: secures(endpoint)) }

    /// The first of those `endpoints` each that lead to the same place.
    nonisolated func distinct(_ endpoints: [Endpoint]) -> [Endpoint] {
        var seen: Set<Endpoint.Target> = []
        return endpoints.filter { seen.insert(target(of: $0)).inserted }
    }

    /// The name that the certificate of `endpoint` must be for.
    nonisolated func serverName(of endpoint: Endpoint) -> String { configuration.serverName ?? endpoint.host }

    /// Calls `completion` with the context, or with why there is none, if the request is kept until then.
    func context(_ completion: @escaping @EventLoop (Answer) -> Void) -> Request {
        let deliver: @EventLoop (Result<Made, TLSError>) -> Void = { [weak self] answer in
            if case .success(let made) = answer { self?.latest = made }
            completion(answer.map(\.context))
        }
        if let latest, !configuration.hasFiles { return Self.work.request(answeredBy: .success(latest), deliver) }
        return Self.work.request(
            configuration,
            { [configuration, latest] in
                Result { () throws(TLSError) in try Self.make(configuration, unlessCurrent: latest) }
            },
            unstarted: { TLSError(.credentials, "cannot read certificates: \($0)") },
            deliver
        )
    }

    private nonisolated static func make(
        _ configuration: TLSConfiguration,
        unlessCurrent latest: Made?
    ) throws(TLSError) -> Made {
        // Before the reading: a change after this one shows in the next look.
        let stamps = try configuration.stamps()
        if let latest, latest.stamps == stamps { return latest }
        return Made(context: try TLSContext(configuration.credentials()), stamps: stamps)
    }
}
