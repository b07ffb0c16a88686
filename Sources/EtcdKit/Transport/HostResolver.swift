// SPDX-License-Identifier: Apache-2.0

/// Resolves a host and a port to addresses, off the event loop.
package final class HostResolver: Sendable {
    package typealias Answer = Result<[SocketAddress], SocketAddress.LookupError>
    /// A look-up under way.
    package typealias Lookup = SharedWork<Name, [SocketAddress], SocketAddress.LookupError>.Request

    package struct Name: Hashable, Sendable {
        let host: String
        let port: UInt16
    }

    /// The system's.
    package static let system = HostResolver { host, port in
        Platform.addresses(of: host, port: port, numeric: false)
    }

    private let work = SharedWork<Name, [SocketAddress], SocketAddress.LookupError>()
    private let lookUp: @Sendable (String, UInt16) -> Answer

    /// Makes a resolver for which `lookUp` asks; it may block.
    init(_ lookUp: @escaping @Sendable (String, UInt16) -> Answer) {
        self.lookUp = lookUp
    }

    /// Calls `completion` with the addresses of `host`, or with the error, if the look-up is kept until then.
    @EventLoop
    package func resolve(
        _ host: String,
        port: UInt16,
        _ completion: @escaping @EventLoop (Answer) -> Void
    ) -> Lookup {
        let parsed = Platform.addresses(of: host, port: port, numeric: true)
        if case .success = parsed { return work.request(answeredBy: parsed, completion) }
        return work.request(
            Name(host: host, port: port),
            { [lookUp] in lookUp(host, port) },
            unstarted: { SocketAddress.LookupError(host: host, reason: $0.description, isUnknown: false) },
            completion
        )
    }

    /// The addresses of `host`, or why there are none.
    package func addresses(
        of host: String,
        port: UInt16
    ) async throws(SocketAddress.LookupError) -> [SocketAddress] {
        try await Completion.run { _ in
            SocketAddress.LookupError(host: host, reason: "the task was cancelled", isUnknown: false)
        } _: { completion in
            let lookup = self.resolve(host, port: port) { completion.complete($0) }
            completion.onEnd = { withExtendedLifetime(lookup) {} }
        }
    }
}
