// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// One running copy of a service: its address, and its description of itself.
public struct ServiceInstance: Sendable, Hashable, Identifiable, CustomStringConvertible {
    /// Whether an instance takes requests, according to itself.
    ///
    /// More may be added, so a `switch` over statuses needs a `default`.
    public struct Status: Sendable, Hashable, CustomStringConvertible {
        /// The status as it is stored, such as `up`.
        public let description: String

        /// The instance takes requests.
        public static let up = Self(description: "up")
        /// The instance finishes the requests that it has, and takes no new ones.
        public static let draining = Self(description: "draining")
        /// The instance is running, but cannot serve.
        public static let down = Self(description: "down")

        static let all = [up, draining, down]
    }

    /// The name of the service, such as `api-server`.
    public let service: String
    /// The ID, unique among the instances of the service, such as `api-1`.
    public let id: String
    /// The host: a name or an address.
    public var address: String
    /// The port.
    public var port: Int
    /// Further properties, such as a version.
    public var metadata: [String: String]
    /// The share of requests that the instance should get, relative to other instances; at least 1.
    public var weight: Int
    /// Where the instance runs, for clients that prefer near instances; nil if that does not matter.
    public var zone: String?
    /// Whether the instance takes requests.
    public var status: Status

    /// Describes an instance; the parameters are its properties.
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

    /// The address and the port in one text, such as `10.0.0.7:80` or `[::1]:80`.
    public var endpoint: String { Endpoint.authority(address, port) }

    /// The service, the ID and the endpoint in one line.
    public var description: String { "\(service)/\(id) at \(endpoint)" }
}

extension ServiceInstance {
    /// Throws if others could not read the instance, or if its key would be that of another instance.
    func validate() throws(EtcdError) {
        try Self.validate(service, as: "name of a service")
        try Self.validate(id, as: "id of an instance")
        if address.isEmpty { throw EtcdError(.invalidArgument, "\(id): the address is empty") }
        if !(1...65_535).contains(port) { throw EtcdError(.invalidArgument, "\(id): \(port) is not a port") }
        if weight < 1 { throw EtcdError(.invalidArgument, "\(id): a weight of \(weight)") }
    }

    static func validate(_ name: String, as what: String) throws(EtcdError) {
        if name.isEmpty { throw EtcdError(.invalidArgument, "the \(what) is empty") }
        if name.utf8.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(name)\" is no \(what): it contains a slash")
        }
    }
}
