// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

let maintenanceMessages: [String: any VectorMessage.Type] = [
    "etcdserverpb.StatusRequest": Wire.EmptyRequest.self,
    "etcdserverpb.StatusResponse": MemberStatus.self,
    "etcdserverpb.DowngradeInfo": Wire.DowngradeInfo.self,
    "etcdserverpb.AlarmRequest": Wire.AlarmRequest.self,
    "etcdserverpb.AlarmMember": Alarm.self,
    "etcdserverpb.AlarmResponse": Wire.AlarmResponse.self,
    "etcdserverpb.DefragmentRequest": Wire.EmptyRequest.self,
    "etcdserverpb.DefragmentResponse": Wire.HeaderResponse.self,
    "etcdserverpb.HashRequest": Wire.EmptyRequest.self,
    "etcdserverpb.HashResponse": Wire.HashResponse.self,
    "etcdserverpb.HashKVRequest": Wire.HashKVRequest.self,
    "etcdserverpb.HashKVResponse": KeyValueHash.self,
    "etcdserverpb.SnapshotRequest": Wire.EmptyRequest.self,
    "etcdserverpb.SnapshotResponse": Wire.SnapshotResponse.self,
    "etcdserverpb.MoveLeaderRequest": Wire.MemberRequest.self,
    "etcdserverpb.MoveLeaderResponse": Wire.HeaderResponse.self,
    "etcdserverpb.DowngradeRequest": Wire.DowngradeRequest.self,
    "etcdserverpb.DowngradeResponse": Wire.DowngradeResponse.self,
    "etcdserverpb.RangeStreamResponse": Wire.RangeStreamResponse.self,
]

extension MemberStatus: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("version", &version)
        try fields.take("dbSize", &databaseSize)
        try fields.take("leader", &leaderNumber)
        try fields.take("raftIndex", &raftIndex)
        try fields.take("raftTerm", &raftTerm)
        try fields.take("raftAppliedIndex", &raftAppliedIndex)
        try fields.take("errors", &errors)
        try fields.take("dbSizeInUse", &databaseSizeInUse)
        try fields.take("isLearner", &isLearner)
        try fields.take("storageVersion", &storageVersion)
        try fields.take("dbSizeQuota", &databaseQuota)
        try fields.take("downgradeInfo", &downgrade)
    }
}

extension Wire.DowngradeInfo: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("enabled", &isEnabled)
        try fields.take("targetVersion", &targetVersion)
    }
}

extension Wire.AlarmRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("action", &action)
        try fields.take("memberID", &memberID)
        try fields.take("alarm", &kind)
    }
}

extension Alarm: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("memberID", &memberID.rawValue)
        try fields.take("alarm", &kind)
    }
}

extension Wire.AlarmResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("alarms", &alarms)
    }
}

extension Wire.HashResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("hash", &hash)
    }
}

extension Wire.HashKVRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("revision", &revision)
    }
}

extension KeyValueHash: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("hash", &hash)
        try fields.take("compact_revision", &compactRevision.rawValue)
        try fields.take("hash_revision", &hashRevision.rawValue)
    }
}

extension Wire.SnapshotResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("remaining_bytes", &remainingBytes)
        try fields.take("blob", &blob)
        try fields.take("version", &version)
    }
}

extension Wire.DowngradeRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("action", &action)
        try fields.take("version", &version)
    }
}

extension Wire.DowngradeResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("version", &version)
    }
}

extension Wire.RangeStreamResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("range_response", &part)
    }
}
