// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let watch = GRPCMethod<WatchRequest, WatchResponse>(.watch, "Watch", isRead: true)

    /// One of its fields is set.
    struct WatchRequest: ProtobufMessage, Hashable {
        var create: WatchCreateRequest?
        var cancel: WatchCancelRequest?
        var progress: EmptyRequest?

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &create)
            try visitor.field(2, &cancel)
            try visitor.field(3, &progress)
        }
    }

    struct WatchCreateRequest: ProtobufMessage, Hashable {
        struct FilterType: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let noPut = Self(rawValue: 0)
            static let noDelete = Self(rawValue: 1)
        }

        var key: [UInt8] = []
        var rangeEnd: [UInt8] = []
        var startRevision: Int64 = 0
        var progressNotify = false
        var filters: [FilterType] = []
        var previous = false
        var watchID: Int64 = 0
        var fragment = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &key)
            try visitor.field(2, &rangeEnd)
            try visitor.field(3, &startRevision)
            try visitor.field(4, &progressNotify)
            try visitor.field(5, &filters)
            try visitor.field(6, &previous)
            try visitor.field(7, &watchID)
            try visitor.field(8, &fragment)
        }
    }

    struct WatchCancelRequest: ProtobufMessage, Hashable {
        var watchID: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &watchID)
        }
    }

    struct WatchResponse: ProtobufMessage, Hashable {
        var header = ResponseHeader()
        var watchID: Int64 = 0
        var created = false
        var canceled = false
        var compactRevision: Int64 = 0
        var cancelReason = ""
        var fragment = false
        var events: [WatchEvent] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &watchID)
            try visitor.field(3, &created)
            try visitor.field(4, &canceled)
            try visitor.field(5, &compactRevision)
            try visitor.field(6, &cancelReason)
            try visitor.field(7, &fragment)
            try visitor.field(11, &events)
        }
    }
}

extension WatchEvent: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &type)
        try visitor.field(2, &entry)
        try visitor.field(3, &previous)
    }
}
