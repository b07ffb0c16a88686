// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// An instance as it stands in etcd: the JSON of the naming resolver of Go's etcd client, with our fields in its metadata.
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

        /// A new author, with the present time.
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

    // MARK: Reading

    /// Reads the entry under `key`, of the instance `id` of `service`.
    init(_ value: Value, under key: Key, service: String, id: String) throws(RegistryProblem) {
        func problem(_ reason: String) -> RegistryProblem { RegistryProblem(key: key, value: value, reason: reason) }
        let update: Update
        do {
            update = try JSONDecoder().decode(Update.self, from: Data(value.bytes))
        } catch {
            throw problem("it is not the JSON of a service instance")
        }
        guard let (host, port) = Self.split(update.Addr) else {
            throw problem("\"\(update.Addr)\" is not a host with a port from 1 to 65535")
        }
        instance = ServiceInstance(service: service, id: id, address: host, port: port)
        guard let metadata = update.Metadata else { return }
        if case .object(let fields) = metadata, fields["nonce"] != nil {
            guard let own = try? JSONDecoder().decode(Own.self, from: Data(value.bytes)).Metadata else {
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
        } else {
            instance.metadata = metadata.texts
        }
    }

    /// The host and the port of `host:port`, with the brackets of an IPv6 address taken off.
    private static func split(_ text: String) -> (host: String, port: Int)? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        return host.isEmpty || !(1...65_535).contains(port) ? nil : (String(host), port)
    }

    /// The format of Go: `Op` may be missing, and `Metadata` may be anything.
    private struct Update: Decodable {
        let Addr: String
        let Metadata: JSON?
    }

    private struct Own: Decodable {
        let Metadata: ServiceRecord.Metadata
    }
}

extension ServiceRecord {
    init(_ instance: ServiceInstance, by author: Author?) {
        self.instance = instance
        self.author = author
    }
}

/// Any JSON.
private enum JSON: Codable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let values): try container.encode(values)
        case .object(let fields): try container.encode(fields)
        }
    }

    /// The fields of an object as texts; anything else stands under `metadata`.
    var texts: [String: String] {
        switch self {
        case .null: [:]
        case .object(let fields): fields.compactMapValues(\.text)
        default: text.map { ["metadata": $0] } ?? [:]
        }
    }

    private var text: String? {
        switch self {
        case .null: nil
        case .string(let value): value
        default: (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) }
        }
    }
}
