// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// An instance as stored in etcd: the JSON of the naming resolver of Go's etcd client, with our fields in its metadata.
struct ServiceRecord: Sendable, Hashable {
    var instance: ServiceInstance
    /// The registration that has written it; nil if that was another program.
    var author: Author?

    /// One registration, in the order in which registrations of one instance supersede each other.
    struct Author: Sendable, Hashable, Comparable {
        /// A number above those of earlier registrations; if there were none, the milliseconds since 1970.
        var generation: Int64
        private(set) var nonce: String

        /// The numbers that JSON represents exactly in every language.
        private static let generations: Range<Int64> = 0..<(1 << 53)

        static func < (left: Self, right: Self) -> Bool {
            (left.generation, left.nonce) < (right.generation, right.nonce)
        }

        init(generation: Int64, nonce: String) {
            self.generation = Self.generations.contains(generation) ? generation : 0
            self.nonce = nonce
        }

        /// A new author, with the current time.
        init() {
            let milliseconds = Date().timeIntervalSince1970 * 1000
            self.init(
                generation: Int64(exactly: milliseconds.rounded()) ?? 0,
                nonce: String(UInt64.random(in: .min ... .max), radix: 16)
            )
        }

        /// Comes after `other`.
        mutating func supersede(_ other: Author?) {
            guard let other, other.generation >= generation else { return }
            if Self.generations.contains(other.generation + 1) {
                generation = other.generation + 1
            } else {
                // There is no higher number. A longer text with the same beginning comes after the shorter one.
                (generation, nonce) = (other.generation, other.nonce + nonce)
            }
        }
    }

    // MARK: Writing

    private struct Metadata: Codable {
        var id: String
        var weight: Int
        var zone: String?
        var status: String
        var metadata: [String: String]
        var generation: Int64
        var nonce: String
    }

    /// The bytes to put; the same for the same record.
    func encoded() throws(EtcdError) -> Value {
        let metadata = Metadata(
            id: instance.id,
            weight: instance.weight,
            zone: instance.zone,
            status: instance.status.description,
            metadata: instance.metadata,
            generation: author?.generation ?? 0,
            nonce: author?.nonce ?? ""
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            let parts = [try encoder.encode(instance.endpoint), try encoder.encode(metadata)]
                .map { String(decoding: $0, as: UTF8.self) }
            // In Go's order.
            return Value(#"{"Op":0,"Addr":\#(parts[0]),"Metadata":\#(parts[1])}"#)
        } catch {
            throw EtcdError(.invalidArgument, "\(instance.id) cannot be written as JSON", cause: error)
        }
    }
}

extension ServiceRecord {
    /// Reads the entry under `key`, of the instance `id` of `service`.
    init(_ value: Value, under key: Key, service: String, id: String) throws(RegistryProblem) {
        func problem(_ reason: String) -> RegistryProblem { RegistryProblem(key: key, value: value, reason: reason) }
        let data = Data(value.bytes)
        // `Op` may be missing, and `Metadata` may be anything.
        guard let update = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any],
            let address = update["Addr"] as? String
        else { throw problem("it is not the JSON of a service instance") }
        guard let (host, port) = Self.split(address) else {
            throw problem("\"\(address)\" is not a host with a port from 1 to 65535")
        }
        instance = ServiceInstance(service: service, id: id, address: host, port: port)
        guard let fields = update["Metadata"] as? [String: Any] else {
            instance.metadata = update["Metadata"].flatMap(Self.text).map { ["metadata": $0] } ?? [:]
            return
        }
        if fields["nonce"] == nil {
            instance.metadata = fields.compactMapValues(Self.text)
            return
        }
        guard let own = try? JSONDecoder().decode(Own.self, from: data).Metadata else {
            throw problem("its Metadata is not what a registration writes")
        }
        guard let status = ServiceInstance.Status.all.first(where: { $0.description == own.status }) else {
            throw problem("\"\(own.status)\" is not a status")
        }
        instance.metadata = own.metadata
        instance.weight = max(1, own.weight)
        instance.zone = own.zone
        instance.status = status
        author = Author(generation: own.generation, nonce: own.nonce)
    }

    /// The host and the port of `host:port`, with the brackets of an IPv6 address taken off.
    private static func split(_ text: String) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return host.isEmpty || !(1...65_535).contains(port) ? nil : (String(host), port)
    }

    /// A value of JSON as text; nil for null.
    private static func text(_ value: Any) -> String? {
        if value is NSNull { return nil }
        if let text = value as? String { return text }
        let json = try? JSONSerialization.data(withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys])
        return json.map { String(decoding: $0, as: UTF8.self) }
    }

    private struct Own: Decodable {
        let Metadata: ServiceRecord.Metadata
    }
}

/// An entry among the instances of a service that is not an instance.
public struct RegistryProblem: LocalizedError, Sendable, Hashable, Keyed, CustomStringConvertible {
    /// The key of the entry.
    public let key: Key
    /// The value of the entry.
    public let value: Value
    /// The mistake in it.
    public let reason: String

    /// Makes a problem, for tests; the parameters are its properties.
    public init(key: Key, value: Value, reason: String) {
        self.key = key
        self.value = value
        self.reason = reason
    }

    /// The key, the reason and the beginning of the value in one line.
    public var description: String { "\(key): \(reason): \(value.description.prefix(200))" }

    /// The description.
    public var errorDescription: String? { description }
}

/// A decoded entry in the folder of a service: an instance, or a problem.
struct RegistryEntry: Sendable {
    let key: Key
    let content: Result<ServiceInstance, RegistryProblem>

    init(_ entry: KeyValue, of service: String, in folder: Key) {
        key = entry.key
        // The rest of the key, as for Go's resolver.
        guard let id = entry.key.dropping(folder).string else {
            content = .failure(RegistryProblem(key: entry.key, value: entry.value, reason: "its ID is not UTF-8"))
            return
        }
        content = Result { () throws(RegistryProblem) in
            try ServiceRecord(entry.value, under: entry.key, service: service, id: id).instance
        }
    }
}
