// SPDX-License-Identifier: Apache-2.0

/// The answer to a transaction.
public struct TransactionResponse: Sendable, Hashable, CustomStringConvertible {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// All conditions held, so `then` has run; otherwise `else` has.
    public var succeeded = false
    /// The results of the branch that has run, in the order of its operations.
    public var results: [TransactionResult] { responses.compactMap(\.result) }
    var responses: [Wire.ResponseOp] = []

    init() {}

    /// Makes the answer to a transaction.
    ///
    /// - Parameters:
    ///   - succeeded: All conditions held.
    ///   - results: The results of the branch that has run.
    ///   - revision: The store's revision.
    public init(succeeded: Bool, _ results: [TransactionResult], at revision: Revision) {
        header.revision = revision
        self.succeeded = succeeded
        responses = results.map(Wire.ResponseOp.init)
    }

    /// The branch that has run, the number of its results, and the revision.
    public var description: String {
        "\(succeeded ? "then" : "else") with \(responses.count) results at revision \(header.revision)"
    }

    /// The answer to some of the operations, as if they had been a transaction of their own; nil if it has too few results.
    package func part(_ range: Range<Int>) -> TransactionResponse? {
        if range.upperBound > responses.count { return nil }
        var part = self
        part.responses = Array(responses[range])
        return part
    }
}

/// The result of one operation of a transaction.
public enum TransactionResult: Sendable, Hashable {
    /// The result of a `get` or `range`.
    case range(RangeResponse)
    /// The result of a `put` or `touch`.
    case put(PutResponse)
    /// The result of a `delete`.
    case delete(DeleteResponse)
    /// The result of a nested transaction.
    case transaction(TransactionResponse)

    /// The entries that were read; none for other operations.
    public var entries: [KeyValue] {
        if case .range(let response) = self { response.entries } else { [] }
    }

    /// The previous entries of a put or a deletion, if they were asked for.
    public var previous: [KeyValue] {
        switch self {
        case .put(let response): response.previous.map { [$0] } ?? []
        case .delete(let response): response.previous
        case .range, .transaction: []
        }
    }
}
