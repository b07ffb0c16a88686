// SPDX-License-Identifier: Apache-2.0

/// Turns a host and a port into addresses, off the event loop.
package enum HostResolver {
    package typealias Answer = Result<[SocketAddress], SocketAddress.LookupError>

    /// Calls `completion` with the addresses of `host`, or with why there are none.
    @EventLoop
    package static func resolve(
        _ host: String,
        port: UInt16,
        _ completion: @escaping @Sendable @EventLoop (Answer) -> Void
    ) {
        let parsed = Platform.addresses(of: host, port: port, numeric: true)
        if case .success = parsed {
            return EventLoop.execute { completion(parsed) }
        }
        do {
            // `getaddrinfo` may wait for a name server, so each look-up has a thread of its own, which ends with it.
            try Platform.startThread {
                let answer = Platform.addresses(of: host, port: port, numeric: false)
                EventLoop.execute { completion(answer) }
            }
        } catch {
            let failure = SocketAddress.LookupError(host: host, reason: error.description)
            EventLoop.execute { completion(.failure(failure)) }
        }
    }
}
