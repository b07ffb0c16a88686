// SPDX-License-Identifier: Apache-2.0

/// One running copy of a service: where it is, and what it says of itself.
public struct ServiceInstance: Sendable, Hashable, Identifiable {
    /// What the instance says of its ability to serve.
    public enum Status: String, Sendable, Hashable, CaseIterable {
        /// It takes requests.
        case up
        /// It finishes what it has, and takes nothing new.
        case draining
        /// It is there, but cannot serve.
        case down
    }

    /// The name of the service, such as `api-server`.
    public let service: String
    /// Tells the instances of a service apart, such as `api-1`.
    public let id: String
    /// The host: a name or an address.
    public var address: String
    /// The port.
    public var port: Int
    /// What else there is to say.
    public var metadata: [String: String]
    /// The share of requests that the instance should get, relative to others; at least 1.
    public var weight: Int
    /// Where it runs, for those who prefer what is near; nil if that does not matter.
    public var zone: String?
    /// Whether it takes requests.
    public var status: Status

    /// Describes an instance.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - id: Tells the instances of the service apart.
    ///   - address: The host: a name or an address.
    ///   - port: The port.
    ///   - metadata: What else there is to say.
    ///   - weight: The share of requests, relative to other instances; at least 1.
    ///   - zone: Where it runs.
    ///   - status: Whether it takes requests.
    public init(
        service: String,
        id: String,
        address: String,
        port: Int,
        metadata: [String: String] = [:],
        weight: Int = 1,
        zone: String? = nil,
        status: Status = .up
    ) {
        self.service = service
        self.id = id
        self.address = address
        self.port = port
        self.metadata = metadata
        self.weight = weight
        self.zone = zone
        self.status = status
    }
}
