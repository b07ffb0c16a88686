// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// Makes an error of an attempt at a call.
    ///
    /// Of a call that only reads, an unknown effect is none.
    init(_ failure: GRPCFailure, of request: Channel.Request, at endpoint: Endpoint) {
        var error = EtcdError(failure, at: endpoint)
        if error.code == .requestTooLarge {
            let text = Self.complaint(aboutSizeOf: request.call, failure.message)
            error = EtcdError(.requestTooLarge, "\(text) [\(endpoint)]")
        }
        self = failure.leavesEffectUnknown && !request.isRead ? EtcdError(inDoubtAfter: error) : error
    }

    /// Makes the error of a write that was sent and of whose outcome `error` says nothing certain.
    init(inDoubtAfter error: EtcdError) {
        // Some codes say that by themselves.
        if error.code.mayHaveTakenEffect {
            self = error
        } else {
            self.init(.ambiguous, "the write may have happened or not", cause: error)
        }
    }

    /// The sizes of the request and of the limit: gRPC's text has only numbers, and etcd's has none.
    private static func complaint(aboutSizeOf call: EtcdClient.Call, _ text: String) -> String {
        let limit = text.split(separator: " vs. ").last.map { $0.prefix { $0.isNumber } }.flatMap { Int($0) }
        let allowance = limit.map { "the \($0) that the server takes" } ?? "the server takes, 1572864 by default"
        return "\(call.method) sends \(call.requestSize) bytes, more than \(allowance) (--max-request-bytes): \(text)"
    }
}
