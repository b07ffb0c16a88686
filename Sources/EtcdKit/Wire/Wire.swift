// SPDX-License-Identifier: Apache-2.0

/// The messages of etcd's API that are not public types.
///
/// Public answers, such as ``RangeResponse``, are decoded directly, by extensions in this folder. Field numbers and
/// names are those of etcd's `rpc.proto` and `kv.proto`.
enum Wire {}

/// A request of etcd, which can add a prefix to its keys.
///
/// Only such a message can be sent, so no call can forget its client's namespace.
protocol Request: ProtobufMessage {
    /// Puts the prefix before all keys.
    mutating func enter(_ namespace: Namespace) throws(EtcdError)
}

/// The answer to a unary call of etcd, each of which has a header.
protocol Response: ProtobufMessage {
    var header: ResponseHeader { get }

    /// Removes the prefix from all keys.
    mutating func leave(_ namespace: Namespace) throws(EtcdError)
}

/// A request that names no keys, or those of the whole cluster.
protocol KeylessRequest: Request {}

extension KeylessRequest {
    func enter(_ namespace: Namespace) {}
}

/// An answer without keys.
protocol KeylessResponse: Response {}

extension KeylessResponse {
    func leave(_ namespace: Namespace) {}
}

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
    struct HeaderResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
        }
    }
}
