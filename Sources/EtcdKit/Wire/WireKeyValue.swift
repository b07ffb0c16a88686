// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let range = GRPCMethod<RangeRequest, RangeResponse>(.kv, "Range", isRead: true, ordersRevisions: true)
    /// etcd 3.7 and later: the answer to a range in parts, each a ``RangeResponse`` of which the last has the header.
    static let rangeStream = GRPCMethod<RangeRequest, RangeStreamResponse>(.kv, "RangeStream", isRead: true)
    static let put = GRPCMethod<PutRequest, PutResponse>(.kv, "Put", ordersRevisions: true)
    static let deleteRange = GRPCMethod<DeleteRangeRequest, DeleteResponse>(.kv, "DeleteRange", ordersRevisions: true)
    static let compact = GRPCMethod<CompactionRequest, HeaderResponse>(.kv, "Compact")

    struct RangeRequest: Request, Hashable {
        struct SortOrder: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let none = Self(rawValue: 0)
            static let ascend = Self(rawValue: 1)
            static let descend = Self(rawValue: 2)
        }

        struct SortTarget: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let key = Self(rawValue: 0)
            static let version = Self(rawValue: 1)
            static let create = Self(rawValue: 2)
            static let mod = Self(rawValue: 3)
            static let value = Self(rawValue: 4)
        }

        var key: [UInt8] = []
        var rangeEnd: [UInt8] = []
        var limit: Int64 = 0
        var revision: Int64 = 0
        var sortOrder = SortOrder.none
        var sortTarget = SortTarget.key
        var serializable = false
        var keysOnly = false
        var countOnly = false
        var minModRevision: Int64 = 0
        var maxModRevision: Int64 = 0
        var minCreateRevision: Int64 = 0
        var maxCreateRevision: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &key)
            try visitor.field(2, &rangeEnd)
            try visitor.field(3, &limit)
            try visitor.field(4, &revision)
            try visitor.field(5, &sortOrder)
            try visitor.field(6, &sortTarget)
            try visitor.field(7, &serializable)
            try visitor.field(8, &keysOnly)
            try visitor.field(9, &countOnly)
            try visitor.field(10, &minModRevision)
            try visitor.field(11, &maxModRevision)
            try visitor.field(12, &minCreateRevision)
            try visitor.field(13, &maxCreateRevision)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
    }

    struct PutRequest: Request, Hashable {
        var key: [UInt8] = []
        var value: [UInt8] = []
        var lease: Int64 = 0
        var returnsPrevious = false
        var ignoresValue = false
        var ignoresLease = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &key)
            try visitor.field(2, &value)
            try visitor.field(3, &lease)
            try visitor.field(4, &returnsPrevious)
            try visitor.field(5, &ignoresValue)
            try visitor.field(6, &ignoresLease)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key) }
    }

    struct DeleteRangeRequest: Request, Hashable {
        var key: [UInt8] = []
        var rangeEnd: [UInt8] = []
        var returnsPrevious = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &key)
            try visitor.field(2, &rangeEnd)
            try visitor.field(3, &returnsPrevious)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
    }

    struct CompactionRequest: KeylessRequest, Hashable {
        var revision: Int64 = 0
        var physical = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &revision)
            try visitor.field(2, &physical)
        }
    }

    struct RangeStreamResponse: Response, Hashable {
        var part = RangeResponse()
        var header: ResponseHeader { part.header }

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &part)
        }

        mutating func leave(_ namespace: Namespace) throws(EtcdError) { try part.leave(namespace) }
    }
}

extension RangeResponse: Response {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &entries)
        try visitor.field(3, &more)
        try visitor.field(4, &count)
    }

    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&entries) }
}

extension PutResponse: Response {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &previous)
    }

    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&previous) }
}

extension DeleteResponse: Response {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &deleted)
        try visitor.field(3, &previous)
    }

    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&previous) }
}

// MARK: - From the public options

extension Wire.RangeRequest {
    init(_ range: KeyRange, _ options: RangeOptions) {
        key = range.start
        rangeEnd = range.end
        limit = Int64(options.limit ?? 0)
        revision = options.revision?.rawValue ?? 0
        if let sort = options.sort {
            sortOrder = sort.isDescending ? .descend : .ascend
            sortTarget =
                switch sort.target {
                case .key: .key
                case .version: .version
                case .createRevision: .create
                case .modRevision: .mod
                case .value: .value
                }
        }
        serializable = options.serializable
        keysOnly = options.keysOnly
        countOnly = options.countOnly
        minModRevision = options.minModRevision?.rawValue ?? 0
        maxModRevision = options.maxModRevision?.rawValue ?? 0
        minCreateRevision = options.minCreateRevision?.rawValue ?? 0
        maxCreateRevision = options.maxCreateRevision?.rawValue ?? 0
    }
}

extension Wire.PutRequest {
    var sizeHint: Int { key.count + value.count + 48 }

    /// Without a value, the present one is kept.
    init(_ key: Key, _ value: Value?, _ lease: Lease.ID?, _ keepsLease: Bool, _ returnsPrevious: Bool) {
        self.key = key.bytes
        self.value = value?.bytes ?? []
        self.lease = lease?.rawValue ?? 0
        self.returnsPrevious = returnsPrevious
        ignoresValue = value == nil
        ignoresLease = keepsLease
    }
}

extension Wire.DeleteRangeRequest {
    init(_ range: KeyRange, _ returnsPrevious: Bool) {
        key = range.start
        rangeEnd = range.end
        self.returnsPrevious = returnsPrevious
    }
}
