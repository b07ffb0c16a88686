// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let status = GRPCMethod<EmptyRequest, MemberStatus>(.maintenance, "Status", isRead: true, needsLeader: false)
    /// With the action ``AlarmRequest/Action/get`` it changes nothing, but goes through the leader all the same.
    static let alarm = GRPCMethod<AlarmRequest, AlarmResponse>(.maintenance, "Alarm")
    static let defragment = GRPCMethod<EmptyRequest, HeaderResponse>(.maintenance, "Defragment", needsLeader: false)
    static let hash = GRPCMethod<EmptyRequest, HashResponse>(.maintenance, "Hash", isRead: true, needsLeader: false)
    static let hashKV = GRPCMethod<HashKVRequest, KeyValueHash>(
        .maintenance,
        "HashKV",
        isRead: true,
        needsLeader: false
    )
    static let snapshot = GRPCMethod<EmptyRequest, SnapshotResponse>(
        .maintenance,
        "Snapshot",
        isRead: true,
        needsLeader: false
    )
    static let moveLeader = GRPCMethod<MemberRequest, HeaderResponse>(.maintenance, "MoveLeader")
    static let downgrade = GRPCMethod<DowngradeRequest, DowngradeResponse>(.maintenance, "Downgrade")

    struct AlarmRequest: KeylessRequest, Hashable {
        struct Action: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let get = Self(rawValue: 0)
            static let deactivate = Self(rawValue: 2)
        }

        var action = Action.get
        var memberID: UInt64 = 0
        var kind = Alarm.Kind(rawValue: 0)

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &action)
            try visitor.field(2, &memberID)
            try visitor.field(3, &kind)
        }
    }

    struct AlarmResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var alarms: [Alarm] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &alarms)
        }
    }

    struct HashResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var hash: UInt32 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &hash)
        }
    }

    struct HashKVRequest: KeylessRequest, Hashable {
        var revision: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &revision)
        }
    }

    struct SnapshotResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        /// How many bytes of the database are still to come; the digest behind it does not count.
        var remainingBytes: UInt64 = 0
        var blob: [UInt8] = []
        var version = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &remainingBytes)
            try visitor.field(3, &blob)
            try visitor.field(4, &version)
        }
    }

    struct DowngradeRequest: KeylessRequest, Hashable {
        struct Action: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let validate = Self(rawValue: 0)
            static let enable = Self(rawValue: 1)
            static let cancel = Self(rawValue: 2)
        }

        var action = Action.validate
        var version = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &action)
            try visitor.field(2, &version)
        }
    }

    struct DowngradeResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var version = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &version)
        }
    }

    struct DowngradeInfo: ProtobufMessage, Hashable {
        var isEnabled = false
        var targetVersion = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &isEnabled)
            try visitor.field(2, &targetVersion)
        }
    }
}

extension MemberStatus: KeylessResponse {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &version)
        try visitor.field(3, &databaseSize)
        try visitor.field(4, &leaderNumber)
        try visitor.field(5, &raftIndex)
        try visitor.field(6, &raftTerm)
        try visitor.field(7, &raftAppliedIndex)
        try visitor.field(8, &errors)
        try visitor.field(9, &databaseSizeInUse)
        try visitor.field(10, &isLearner)
        try visitor.field(11, &storageVersion)
        try visitor.field(12, &databaseQuota)
        try visitor.field(13, &downgrade)
    }
}

extension Alarm: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &memberID.rawValue)
        try visitor.field(2, &kind)
    }
}

extension Alarm.Kind: ProtobufEnum {
    init(rawValue: Int32) {
        switch rawValue {
        case 1: self = .noSpace
        case 2: self = .corrupt
        default: self = .other(rawValue)
        }
    }

    var rawValue: Int32 {
        switch self {
        case .noSpace: 1
        case .corrupt: 2
        case .other(let number): number
        }
    }
}

extension KeyValueHash: KeylessResponse {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &hash)
        try visitor.field(3, &compactRevision.rawValue)
        try visitor.field(4, &hashRevision.rawValue)
    }
}
