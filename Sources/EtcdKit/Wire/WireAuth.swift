// SPDX-License-Identifier: Apache-2.0

extension Wire {
    /// It may be repeated: each token that is granted is as good.
    static let authenticate = GRPCMethod<AuthenticateRequest, AuthenticateResponse>(
        "/etcdserverpb.Auth/Authenticate",
        isRead: true
    )

    struct AuthenticateRequest: ProtobufMessage, Hashable {
        var name = ""
        var password = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
            try visitor.field(2, &password)
        }
    }

    struct AuthenticateResponse: Response, Hashable {
        var header = ResponseHeader()
        var token = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &token)
        }
    }
}
