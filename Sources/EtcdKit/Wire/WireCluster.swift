// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let memberList = GRPCMethod<MemberListRequest, MemberListResponse>(
        "/etcdserverpb.Cluster/MemberList",
        isRead: true
    )
    static let status = GRPCMethod<EmptyRequest, StatusResponse>(
        "/etcdserverpb.Maintenance/Status",
        isRead: true,
        needsLeader: false
    )

    struct Member: ProtobufMessage, Hashable {
        var id: UInt64 = 0
        var name = ""
        var peerURLs: [String] = []
        var clientURLs: [String] = []
        var isLearner = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
            try visitor.field(2, &name)
            try visitor.field(3, &peerURLs)
            try visitor.field(4, &clientURLs)
            try visitor.field(5, &isLearner)
        }
    }

    struct MemberListRequest: ProtobufMessage, Hashable {
        var linearizable = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &linearizable)
        }
    }

    struct MemberListResponse: Response, Hashable {
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
