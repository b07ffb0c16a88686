// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let memberList = GRPCMethod<MemberListRequest, MembersResponse>(.cluster, "MemberList", isRead: true)
    static let memberAdd = GRPCMethod<MemberAddRequest, MemberAddResponse>(.cluster, "MemberAdd")
    static let memberRemove = GRPCMethod<MemberRequest, MembersResponse>(.cluster, "MemberRemove")
    static let memberUpdate = GRPCMethod<MemberUpdateRequest, MembersResponse>(.cluster, "MemberUpdate")
    static let memberPromote = GRPCMethod<MemberRequest, MembersResponse>(.cluster, "MemberPromote")

    struct MemberListRequest: KeylessRequest, Hashable {
        var linearizable = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &linearizable)
        }
    }

    struct MemberAddRequest: KeylessRequest, Hashable {
        var peerURLs: [String] = []
        var isLearner = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &peerURLs)
            try visitor.field(2, &isLearner)
        }
    }

    struct MemberAddResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var member = Member()
        var members: [Member] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &member)
            try visitor.field(3, &members)
        }
    }

    struct MemberUpdateRequest: KeylessRequest, Hashable {
        var id: UInt64 = 0
        var peerURLs: [String] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
            try visitor.field(2, &peerURLs)
        }
    }

    /// `MemberRemoveRequest`, `MemberPromoteRequest` and `MoveLeaderRequest`: the number of a member.
    struct MemberRequest: KeylessRequest, Hashable {
        var id: UInt64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &id)
        }
    }

    /// The members, from a list or after a change.
    struct MembersResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var members: [Member] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &members)
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
