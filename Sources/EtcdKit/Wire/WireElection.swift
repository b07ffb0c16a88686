// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let campaign = GRPCMethod<CampaignRequest, CampaignResponse>(.election, "Campaign", mayWait: true)
    static let proclaim = GRPCMethod<ProclaimRequest, HeaderResponse>(.election, "Proclaim")
    static let electionLeader = GRPCMethod<KeyRequest, LeaderResponse>(.election, "Leader", isRead: true)
    static let electionObserve = GRPCMethod<KeyRequest, LeaderResponse>(
        .election,
        "Observe",
        isRead: true,
        mayWait: true
    )
    static let resign = GRPCMethod<ResignRequest, HeaderResponse>(.election, "Resign")

    struct CampaignRequest: Request, Hashable {
        var name: [UInt8] = []
        var lease: Int64 = 0
        var value: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
            try visitor.field(2, &lease)
            try visitor.field(3, &value)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&name) }
    }

    struct CampaignResponse: Response, Hashable {
        var header = ResponseHeader()
        var leader = ElectedLeader()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &leader)
        }

        mutating func leave(_ namespace: Namespace) throws(EtcdError) { try leader.leave(namespace) }
    }

    struct ProclaimRequest: Request, Hashable {
        var leader = ElectedLeader()
        var value: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &leader)
            try visitor.field(2, &value)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try leader.enter(namespace) }
    }

    struct LeaderResponse: Response, Hashable {
        var header = ResponseHeader()
        var entry = KeyValue()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &entry)
        }

        mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&entry) }
    }

    struct ResignRequest: Request, Hashable {
        var leader = ElectedLeader()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &leader)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try leader.enter(namespace) }
    }
}

extension ElectedLeader: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &election.bytes)
        try visitor.field(2, &key.bytes)
        try visitor.field(3, &createRevision.rawValue)
        try visitor.field(4, &leaseID)
    }
}
