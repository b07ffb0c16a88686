// SPDX-License-Identifier: Apache-2.0

/// Fields that a client adds to its calls, such as the context of a trace, or fields for a proxy in front of etcd.
///
/// ```swift
/// let traced = client.with(metadata: ["x-request-id": "42"])
/// ```
///
/// etcd itself ignores fields that it does not know. Names are stored in lower case; they consist of letters, digits,
/// `-`, `_` and `.`, and do not end in `-bin`, which gRPC keeps for values in base64. Values are visible ASCII text, with
/// spaces within it. A call with fields that cannot be sent throws ``EtcdError/Code/invalidArgument``, and so does one
/// with a field that the client sets itself: `token`, `hasleader`, and those of HTTP and gRPC.
public struct CallMetadata: Sendable, Hashable {
    /// The fields, in the order in which they are sent.
    public private(set) var fields: [(name: String, value: String)] = []

    /// Makes metadata without fields.
    public init() {}

    /// Adds a field.
    ///
    /// - Parameters:
    ///   - name: The name of the field.
    ///   - value: The value.
    public mutating func add(_ name: String, _ value: String) { fields.append((name.lowercased(), value)) }

    /// The first value of a field; setting it replaces all fields of this name, and setting nil removes them.
    ///
    /// - Parameter name: The name of the field.
    public subscript(name: String) -> String? {
        get {
            let name = name.lowercased()
            return fields.first { $0.name == name }?.value
        }
        set {
            let name = name.lowercased()
            fields.removeAll { $0.name == name }
            if let newValue { fields.append((name, newValue)) }
        }
    }

    /// Whether there is no field.
    public var isEmpty: Bool { fields.isEmpty }

    /// The fields of both, those of `other` last.
    func adding(_ other: CallMetadata) -> CallMetadata {
        var sum = self
        sum.fields += other.fields
        return sum
    }

    private static let reserved: Set<String> = [
        "token", "hasleader", "te", "content-type", "user-agent", "host", "connection", "keep-alive", "upgrade",
        "transfer-encoding", "proxy-connection", "content-length",
    ]
    private static let nameCharacters = Set("abcdefghijklmnopqrstuvwxyz0123456789-_.".utf8)
    /// Servers accept 16 KiB of fields or so in all.
    private static let sizeLimit = 8 << 10

    /// Refuses what cannot be sent.
    func validate() throws(EtcdError) {
        for (name, value) in fields {
            let place = "the metadata field \"\(name.printable)\""
            if name.isEmpty || !name.utf8.allSatisfy(Self.nameCharacters.contains) {
                throw EtcdError(.invalidArgument, "\(place) has a name with characters that cannot be sent")
            }
            if name.hasSuffix("-bin") {
                throw EtcdError(.invalidArgument, "\(place) has a name for binary values, which cannot be sent")
            }
            if Self.reserved.contains(name) || name.hasPrefix("grpc-") {
                throw EtcdError(.invalidArgument, "\(place) is set by the client itself")
            }
            let isText = value.utf8.allSatisfy { (0x20...0x7e).contains($0) }
            if !isText || value.hasPrefix(" ") || value.hasSuffix(" ") {
                throw EtcdError(.invalidArgument, "\(place) has a value that is not visible ASCII text")
            }
        }
        let size = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        if size > Self.sizeLimit {
            throw EtcdError(.invalidArgument, "the metadata has \(size) bytes; the limit is \(Self.sizeLimit)")
        }
    }

    /// Whether both have the same fields in the same order.
    public static func == (one: CallMetadata, other: CallMetadata) -> Bool {
        one.fields.elementsEqual(other.fields, by: ==)
    }

    /// Hashes the fields.
    public func hash(into hasher: inout Hasher) {
        for (name, value) in fields {
            hasher.combine(name)
            hasher.combine(value)
        }
    }
}

extension CallMetadata: ExpressibleByDictionaryLiteral, CustomStringConvertible, CustomReflectable {
    /// Makes metadata of names and values.
    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }

    /// The names of the fields; values may be secret.
    public var description: String { "metadata (\(fields.map(\.name.printable).joined(separator: ", ")))" }

    /// A mirror without the values.
    public var customMirror: Mirror { Mirror(self, children: ["names": fields.map(\.name)]) }
}
