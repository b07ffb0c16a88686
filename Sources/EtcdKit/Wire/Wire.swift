// SPDX-License-Identifier: Apache-2.0

/// The messages of etcd's API that the public types do not stand for themselves.
///
/// Public answers, such as ``RangeResponse``, are decoded as they are; this folder says how. Field numbers and names are
/// those of etcd's `rpc.proto` and `kv.proto`.
enum Wire {}

extension ResponseHeader: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &clusterID)
        try visitor.field(2, &memberID.rawValue)
        try visitor.field(3, &revision.rawValue)
        try visitor.field(4, &raftTerm)
    }
}

extension KeyValue: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &key.bytes)
        try visitor.field(2, &createRevision.rawValue)
        try visitor.field(3, &modRevision.rawValue)
        try visitor.field(4, &version)
        try visitor.field(5, &value.bytes)
        try visitor.field(6, &leaseID)
    }
}

extension Wire {
    /// An answer of which only the header is of interest.
    struct HeaderResponse: Response, Hashable {
        var header = ResponseHeader()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
        }
    }
}
