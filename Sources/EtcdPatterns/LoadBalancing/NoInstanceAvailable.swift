// SPDX-License-Identifier: Apache-2.0

/// A service has no instance that takes requests.
public struct NoInstanceAvailable: Error, Sendable, Hashable, CustomStringConvertible {
    /// The name of the service.
    public let service: String
    /// How many instances take nothing new.
    public let draining: Int
    /// How many instances cannot serve, as they or active checks say.
    public let down: Int
    /// Whether that may be out of date, as while etcd is away; see ``LoadBalancer/isStale``.
    public let isStale: Bool

    /// The service and what there is of it in one line.
    public var description: String {
        let known = draining + down == 0 ? "there is none" : "\(draining) draining, \(down) down"
        let doubt = isStale ? ", as far as was known before etcd was away" : ""
        return "no instance of \"\(service)\" takes requests: \(known)\(doubt)"
    }
}
