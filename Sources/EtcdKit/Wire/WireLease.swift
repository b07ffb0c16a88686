// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let leaseGrant = GRPCMethod<LeaseGrantRequest, LeaseGrantResponse>(.lease, "LeaseGrant")
    static let leaseRevoke = GRPCMethod<LeaseRequest, HeaderResponse>(.lease, "LeaseRevoke")
    static let leaseKeepAlive = GRPCMethod<LeaseRequest, LeaseKeepAliveResponse>(.lease, "LeaseKeepAlive")
    static let leaseTimeToLive = GRPCMethod<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse>(
        .lease,
        "LeaseTimeToLive",
        isRead: true
    )
    static let leaseLeases = GRPCMethod<EmptyRequest, LeaseLeasesResponse>(
        .lease,
        "LeaseLeases",
        isRead: true,
        needsLeader: false
    )

    /// A request without fields.
    struct EmptyRequest: KeylessRequest, Hashable {
        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {}
    }

    struct LeaseGrantRequest: KeylessRequest, Hashable {
        var timeToLive: Int64 = 0
        var id: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &timeToLive)
            try visitor.field(2, &id)
        }
    }

    struct LeaseGrantResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var id: Int64 = 0
        var timeToLive: Int64 = 0
        var error = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &id)
            try visitor.field(3, &timeToLive)
            try visitor.field(4, &error)
        }
    }

    /// `LeaseRevokeRequest`, `LeaseKeepAliveRequest` and `LeaseStatus`: the number of a lease.
    struct LeaseRequest: KeylessRequest, Hashable {
        var id: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
        }
    }

    struct LeaseKeepAliveResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var id: Int64 = 0
        var timeToLive: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &id)
            try visitor.field(3, &timeToLive)
        }
    }

    struct LeaseTimeToLiveRequest: KeylessRequest, Hashable {
        var id: Int64 = 0
        var withKeys = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
            try visitor.field(2, &withKeys)
        }
    }

    struct LeaseTimeToLiveResponse: Response, Hashable {
        var header = ResponseHeader()
        var id: Int64 = 0
        var timeToLive: Int64 = 0
        var grantedTimeToLive: Int64 = 0
        var keys: [[UInt8]] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &id)
            try visitor.field(3, &timeToLive)
            try visitor.field(4, &grantedTimeToLive)
            try visitor.field(5, &keys)
        }

        /// Leaves out the keys outside the namespace, which a lease may have as well.
        mutating func leave(_ namespace: Namespace) { keys = keys.compactMap(namespace.inner) }
    }

    struct LeaseLeasesResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var leases: [LeaseRequest] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &leases)
        }
    }
}
