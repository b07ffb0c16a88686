// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A service has no instance that takes requests.
public struct NoInstanceAvailable: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the service.
    public let service: String
    /// The number of instances that take no new requests.
    public let draining: Int
    /// The number of instances that cannot serve, by their own status or by active checks.
    public let down: Int
    /// Whether this may be out of date, as while etcd cannot be reached; see ``LoadBalancer/isStale``.
    public let isStale: Bool

    /// Makes an error, for tests; the parameters are its properties.
    public init(service: String, draining: Int = 0, down: Int = 0, isStale: Bool = false) {
        self.service = service
        self.draining = draining
        self.down = down
        self.isStale = isStale
    }

    /// The service and the number of its instances in one line.
    public var description: String {
        let known = draining + down == 0 ? "there is none" : "\(draining) draining, \(down) down"
        let doubt = isStale ? ", which may be out of date" : ""
        return "no instance of \"\(service)\" takes requests: \(known)\(doubt)"
    }

    /// The description.
    public var errorDescription: String? { description }
}
