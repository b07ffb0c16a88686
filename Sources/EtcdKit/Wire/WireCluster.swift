// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let memberList = GRPCMethod<MemberListRequest, MemberListResponse>(
        "/etcdserverpb.Cluster/MemberList",
        isRead: true
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
}
