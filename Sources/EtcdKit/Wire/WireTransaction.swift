// SPDX-License-Identifier: Apache-2.0

extension Wire {
    static let txn = GRPCMethod<TxnRequest, TransactionResponse>(.kv, "Txn", ordersRevisions: true)

    struct Compare: ProtobufMessage, Hashable {
        struct Result: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let equal = Self(rawValue: 0)
            static let greater = Self(rawValue: 1)
            static let less = Self(rawValue: 2)
            static let notEqual = Self(rawValue: 3)
        }

        struct Target: ProtobufEnum, Hashable {
            let rawValue: Int32
            static let version = Self(rawValue: 0)
            static let createRevision = Self(rawValue: 1)
            static let modRevision = Self(rawValue: 2)
            static let value = Self(rawValue: 3)
            static let lease = Self(rawValue: 4)
        }

        var result = Result.equal
        var target = Target.version
        var key: [UInt8] = []
        // One of the next five is set: that of the target.
        var version: Int64?
        var createRevision: Int64?
        var modRevision: Int64?
        var value: [UInt8]?
        var lease: Int64?
        var rangeEnd: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &result)
            try visitor.field(2, &target)
            try visitor.field(3, &key)
            try visitor.field(4, &version)
            try visitor.field(5, &createRevision)
            try visitor.field(6, &modRevision)
            try visitor.field(7, &value)
            try visitor.field(8, &lease)
            try visitor.field(64, &rangeEnd)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
    }

    struct TxnRequest: Request, Hashable {
        var compare: [Compare] = []
        var success: [RequestOp] = []
        var failure: [RequestOp] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &compare)
            try visitor.field(2, &success)
            try visitor.field(3, &failure)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) {
            for index in compare.indices { try compare[index].enter(namespace) }
            for index in success.indices { try success[index].enter(namespace) }
            for index in failure.indices { try failure[index].enter(namespace) }
        }
    }

    /// One of its fields is set.
    struct RequestOp: ProtobufMessage, Hashable {
        var range: RangeRequest?
        var put: PutRequest?
        var deleteRange: DeleteRangeRequest?
        var transaction: TxnRequest?

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &range)
            try visitor.field(2, &put)
            try visitor.field(3, &deleteRange)
            try visitor.field(4, &transaction)
        }

        mutating func enter(_ namespace: Namespace) throws(EtcdError) {
            try range?.enter(namespace)
            try put?.enter(namespace)
            try deleteRange?.enter(namespace)
            try transaction?.enter(namespace)
        }
    }

    /// One of its fields is set.
    struct ResponseOp: ProtobufMessage, Hashable {
        var range: RangeResponse?
        var put: PutResponse?
        var deleteRange: DeleteResponse?
        var transaction: TransactionResponse?

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &range)
            try visitor.field(2, &put)
            try visitor.field(3, &deleteRange)
            try visitor.field(4, &transaction)
        }

        init() {}

        init(_ result: TransactionResult) {
            switch result {
            case .range(let response): range = response
            case .put(let response): put = response
            case .delete(let response): deleteRange = response
            case .transaction(let response): transaction = response
            }
        }

        var result: TransactionResult? {
            range.map(TransactionResult.range) ?? put.map(TransactionResult.put)
                ?? deleteRange.map(TransactionResult.delete) ?? transaction.map(TransactionResult.transaction)
        }

        mutating func leave(_ namespace: Namespace) throws(EtcdError) {
            try range?.leave(namespace)
            try put?.leave(namespace)
            try deleteRange?.leave(namespace)
            try transaction?.leave(namespace)
        }
    }
}

extension TransactionResponse: Response {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &header)
        try visitor.field(2, &succeeded)
        try visitor.field(3, &responses)
    }

    mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        for index in responses.indices { try responses[index].leave(namespace) }
    }
}

extension Wire.TxnRequest {
    init(_ conditions: [Compare], _ then: [TransactionOperation], _ else: [TransactionOperation]) {
        compare = conditions.map(\.request)
        success = then.map(\.request)
        failure = `else`.map(\.request)
    }

    /// Neither branch changes anything.
    var isReadOnly: Bool {
        (success + failure).allSatisfy { operation in
            operation.put == nil && operation.deleteRange == nil && operation.transaction?.isReadOnly != false
        }
    }

    /// Both branches have nothing but serializable reads.
    var isSerializable: Bool {
        (success + failure).allSatisfy { $0.range?.serializable ?? $0.transaction?.isSerializable ?? false }
    }
}
