// SPDX-License-Identifier: Apache-2.0

/// Gives a client's TLS context to whoever connects, made anew when one of its files has changed.
@EventLoop
final class TLSContextSource {
    typealias Answer = Result<TLSContext, TLSError>

    private struct Made: Sendable {
        let context: TLSContext
        let stamps: [[Int64]]
    }

    private nonisolated let configuration: TLSConfiguration
    /// Endpoints without a scheme use TLS.
    private nonisolated let isConfigured: Bool
    private var latest: Made?

    nonisolated init(_ configuration: TLSConfiguration?) {
        self.configuration = configuration ?? TLSConfiguration()
        isConfigured = configuration != nil
    }

    nonisolated func secures(_ endpoint: Endpoint) -> Bool { endpoint.scheme?.isSecure ?? isConfigured }

    /// The name that the certificate of `endpoint` must be for.
    nonisolated func serverName(of endpoint: Endpoint) -> String { configuration.serverName ?? endpoint.host }

    /// Calls `completion` with the context, or with why there is none.
    func context(_ completion: @escaping @Sendable @EventLoop (Answer) -> Void) {
        if let latest, !configuration.hasFiles {
            return EventLoop.execute { completion(.success(latest.context)) }
        }
        do {
            // Files, and the system's certificates, may be slow, so each look has a thread of its own.
            try Platform.startThread { [configuration, latest] in
                let answer = Result { () throws(TLSError) in try Self.make(configuration, unlessCurrent: latest) }
                EventLoop.execute {
                    if case .success(let made) = answer { self.latest = made }
                    completion(answer.map(\.context))
                }
            }
        } catch {
            let failure = TLSError(.credentials, "cannot read certificates: \(error)")
            EventLoop.execute { completion(.failure(failure)) }
        }
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
