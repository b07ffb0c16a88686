// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let lock = GRPCMethod<LockRequest, LockResponse>(.lock, "Lock", mayWait: true)
    static let unlock = GRPCMethod<KeyRequest, HeaderResponse>(.lock, "Unlock")

    struct LockRequest: Request, Hashable {
        var name: [UInt8] = []
        var lease: Int64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
            try visitor.field(2, &lease)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&name) }
    }

    struct LockResponse: Response, Hashable {
        var header = ResponseHeader()
        var key: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &key)
        }

        mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&key) }
    }

    /// `UnlockRequest` and the `LeaderRequest` of elections, for which the key is the name of the election.
    struct KeyRequest: Request, Hashable {
        var key: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &key)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key) }
    }
}
