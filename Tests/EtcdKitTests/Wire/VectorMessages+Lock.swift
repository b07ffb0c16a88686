// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The messages of the Lock and Election services.
let lockAndElectionMessages: [String: any VectorMessage.Type] = [
    "v3lockpb.LockRequest": Wire.LockRequest.self,
    "v3lockpb.LockResponse": Wire.LockResponse.self,
    "v3lockpb.UnlockRequest": Wire.KeyRequest.self,
    "v3lockpb.UnlockResponse": Wire.HeaderResponse.self,
    "v3electionpb.LeaderKey": ElectedLeader.self,
    "v3electionpb.CampaignRequest": Wire.CampaignRequest.self,
    "v3electionpb.CampaignResponse": Wire.CampaignResponse.self,
    "v3electionpb.ProclaimRequest": Wire.ProclaimRequest.self,
    "v3electionpb.ProclaimResponse": Wire.HeaderResponse.self,
    "v3electionpb.LeaderRequest": Wire.KeyRequest.self,
    "v3electionpb.LeaderResponse": Wire.LeaderResponse.self,
    "v3electionpb.ResignRequest": Wire.ResignRequest.self,
    "v3electionpb.ResignResponse": Wire.HeaderResponse.self,
]

extension Wire.LockRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &name)
        try fields.take("lease", &lease)
    }
}

extension Wire.LockResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("key", &key)
    }
}

extension Wire.KeyRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key)
        try fields.take("name", &key)
    }
}

extension ElectedLeader: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &election.bytes)
        try fields.take("key", &key.bytes)
        try fields.take("rev", &createRevision.rawValue)
        try fields.take("lease", &leaseID)
    }
}

extension Wire.CampaignRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &name)
        try fields.take("lease", &lease)
        try fields.take("value", &value)
    }
}

extension Wire.CampaignResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("leader", &leader)
    }
}

extension Wire.ProclaimRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("leader", &leader)
        try fields.take("value", &value)
    }
}

extension Wire.LeaderResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("kv", &entry)
    }
}

extension Wire.ResignRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("leader", &leader)
    }
}
