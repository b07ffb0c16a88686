// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let memberList = GRPCMethod<MemberListRequest, MembersResponse>(
        "/etcdserverpb.Cluster/MemberList",
        isRead: true
    )
    static let memberAdd = GRPCMethod<MemberAddRequest, MemberAddResponse>("/etcdserverpb.Cluster/MemberAdd")
    static let memberRemove = GRPCMethod<MemberRequest, MembersResponse>("/etcdserverpb.Cluster/MemberRemove")
    static let memberUpdate = GRPCMethod<MemberUpdateRequest, MembersResponse>("/etcdserverpb.Cluster/MemberUpdate")
    static let memberPromote = GRPCMethod<MemberRequest, MembersResponse>("/etcdserverpb.Cluster/MemberPromote")
    static let status = GRPCMethod<EmptyRequest, StatusResponse>(
        "/etcdserverpb.Maintenance/Status",
        isRead: true,
        needsLeader: false
    )

    struct MemberListRequest: ProtobufMessage, Hashable {
        var linearizable = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &linearizable)
        }
    }

    struct MemberAddRequest: ProtobufMessage, Hashable {
        var peerURLs: [String] = []
        var isLearner = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &peerURLs)
            try visitor.field(2, &isLearner)
        }
    }

    struct MemberAddResponse: Response, Hashable {
        var header = ResponseHeader()
        var member = Member()
        var members: [Member] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &member)
            try visitor.field(3, &members)
        }
    }

    struct MemberUpdateRequest: ProtobufMessage, Hashable {
        var id: UInt64 = 0
        var peerURLs: [String] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
            try visitor.field(2, &peerURLs)
        }
    }

    /// `MemberRemoveRequest` and `MemberPromoteRequest`: the number of a member.
    struct MemberRequest: ProtobufMessage, Hashable {
        var id: UInt64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
        }
    }

    /// The members, from a list or after a change.
    struct MembersResponse: Response, Hashable {
        var header = ResponseHeader()
        var members: [Member] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &members)
        }
    }

    /// What a member says of itself, as far as it matters to the choice of one.
    struct StatusResponse: Response, Hashable {
        var header = ResponseHeader()
        var version = ""
        var databaseSize: Int64 = 0
        var leader: UInt64 = 0
        var raftIndex: UInt64 = 0
        var raftTerm: UInt64 = 0
        var raftAppliedIndex: UInt64 = 0
        var errors: [String] = []
        var databaseSizeInUse: Int64 = 0
        var isLearner = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &version)
            try visitor.field(3, &databaseSize)
            try visitor.field(4, &leader)
            try visitor.field(5, &raftIndex)
            try visitor.field(6, &raftTerm)
            try visitor.field(7, &raftAppliedIndex)
            try visitor.field(8, &errors)
            try visitor.field(9, &databaseSizeInUse)
            try visitor.field(10, &isLearner)
        }
    }
}

extension Member: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &id.rawValue)
        try visitor.field(2, &name)
        try visitor.field(3, &peerURLs)
        try visitor.field(4, &clientURLs)
        try visitor.field(5, &isLearner)
    }
}
