// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The messages of the Cluster service.
let clusterMessages: [String: any VectorMessage.Type] = [
    "etcdserverpb.Member": Member.self,
    "etcdserverpb.MemberListRequest": Wire.MemberListRequest.self,
    "etcdserverpb.MemberListResponse": Wire.MembersResponse.self,
    "etcdserverpb.MemberAddRequest": Wire.MemberAddRequest.self,
    "etcdserverpb.MemberAddResponse": Wire.MemberAddResponse.self,
    "etcdserverpb.MemberRemoveRequest": Wire.MemberRequest.self,
    "etcdserverpb.MemberRemoveResponse": Wire.MembersResponse.self,
    "etcdserverpb.MemberUpdateRequest": Wire.MemberUpdateRequest.self,
    "etcdserverpb.MemberUpdateResponse": Wire.MembersResponse.self,
    "etcdserverpb.MemberPromoteRequest": Wire.MemberRequest.self,
    "etcdserverpb.MemberPromoteResponse": Wire.MembersResponse.self,
]

extension Member: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("ID", &id.rawValue)
        try fields.take("name", &name)
        try fields.take("peerURLs", &peerURLs)
        try fields.take("clientURLs", &clientURLs)
        try fields.take("isLearner", &isLearner)
    }
}

extension Wire.MemberListRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("linearizable", &linearizable)
    }
}

extension Wire.MembersResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("members", &members)
    }
}

extension Wire.MemberAddRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("peerURLs", &peerURLs)
        try fields.take("isLearner", &isLearner)
    }
}

extension Wire.MemberAddResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("member", &member)
        try fields.take("members", &members)
    }
}

extension Wire.MemberUpdateRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("ID", &id)
        try fields.take("peerURLs", &peerURLs)
    }
}

extension Wire.MemberRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("ID", &id)
        try fields.take("targetID", &id)
    }
}
