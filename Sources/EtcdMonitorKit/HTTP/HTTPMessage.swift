// SPDX-License-Identifier: Apache-2.0

/// The header fields of a message, in their order.
public struct HTTPHeaders: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// A field.
    public struct Field: Sendable, Hashable {
        /// The name, which is case-insensitive.
        public var name: String
        /// The value.
        public var value: String
    }

    /// The fields.
    public private(set) var fields: [Field] = []

    /// Makes headers without fields.
    public init() {}

    /// Makes headers from a dictionary literal.
    ///
    /// - Parameter elements: The fields.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }

    /// Adds a field.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - value: The value.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    /// All values of a name.
    ///
    /// - Parameter name: The name, in any case.
    /// - Returns: The values in their order.
    public func values(of name: String) -> [String] {
        let name = name.lowercased()
        return fields.filter { $0.name.lowercased() == name }.map(\.value)
    }

    /// The first value of a name, or nil; setting replaces all values.
    ///
    /// - Parameter name: The name, in any case.
    public subscript(_ name: String) -> String? {
        get { values(of: name).first }
        set {
            let lowercased = name.lowercased()
            fields.removeAll { $0.name.lowercased() == lowercased }
            if let newValue { add(name, newValue) }
        }
    }
}

/// A request, as a plain value.
public struct HTTPRequest: Sendable, Hashable {
    /// The method, such as `GET`.
    public var method: String
    /// The path without the query, decoded, such as `/api/v1/findings`.
    public var path: String
    /// The query, decoded.
    public var query: [String: String]
    /// The fields of the head.
    public var headers: HTTPHeaders
    /// The body.
    public var body: [UInt8]

    /// Makes a request from its parts.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: The decoded path.
    ///   - query: The decoded query.
    ///   - headers: The fields of the head.
    ///   - body: The body.
    public init(
        _ method: String,
        _ path: String,
        query: [String: String] = [:],
        headers: HTTPHeaders = [:],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// Makes a request from the request of another server; nil if the target is malformed, or has a parameter more than
    /// once, which should be answered with status 400.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - target: The path and the query as in the start line, such as `/api/v1/findings?cluster=prod%20eu`.
    ///   - headers: The fields of the head.
    ///   - body: The body.
    public init?(_ method: String = "GET", target: String, headers: HTTPHeaders = [:], body: [UInt8] = []) {
        guard let target = try? HTTPTarget(Array(target.utf8)[...], method: method) else { return nil }
        self.init(method, target.path, query: target.query, headers: headers, body: body)
    }
}

/// A response, as a plain value.
public struct HTTPResponse: Sendable {
    /// The body of a response.
    public enum Body: Sendable {
        /// The complete body.
        case bytes([UInt8])
        /// Parts, as they become available; the response ends with the stream.
        case stream(AsyncStream<[UInt8]>)
    }

    /// The status, such as 200.
    public var status: Int
    /// The fields of the head; the server adds the fields of the length and the connection.
    public var headers: HTTPHeaders
    /// The body.
    public var body: Body

    /// Makes a response from its parts.
    ///
    /// - Parameters:
    ///   - status: The status.
    ///   - headers: The fields of the head.
    ///   - body: The body.
    public init(_ status: Int, headers: HTTPHeaders = [:], _ body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
