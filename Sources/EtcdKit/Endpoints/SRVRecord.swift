// SPDX-License-Identifier: Apache-2.0

/// A host and port of a service, from a DNS SRV record (RFC 2782).
struct SRVRecord: Sendable, Hashable {
    /// Lower ones come first.
    let priority: UInt16
    /// The share of this record among those of its priority.
    let weight: UInt16
    let port: UInt16
    /// The host, without a final dot.
    let target: String

    /// The records in the order in which they are to be tried: by priority, and randomly according to their weights.
    static func ordered(_ records: [SRVRecord], using random: inout some RandomNumberGenerator) -> [SRVRecord] {
        var result: [SRVRecord] = []
        for (_, group) in Dictionary(grouping: records, by: \.priority).sorted(by: { $0.key < $1.key }) {
            var rest = group
            while !rest.isEmpty {
                // One more for each, so that a weight of zero has a chance, too.
                var ticket = Int.random(in: 0..<rest.reduce(0) { $0 + Int($1.weight) + 1 }, using: &random)
                let index = rest.firstIndex { record in
                    ticket -= Int(record.weight) + 1
                    return ticket < 0
                }
                result.append(rest.remove(at: index ?? 0))
            }
        }
        return result
    }

    /// Reads the SRV records of a DNS answer; nil if it is malformed.
    ///
    /// Records with a port 0, a host that is no host name, or the root as a host, by which a domain says that it has no
    /// such service, are left out.
    static func records(in answer: [UInt8]) -> [SRVRecord]? {
        var reader = DNSReader(bytes: answer)
        guard let _ = reader.uint16(), let flags = reader.uint16(), flags & 0x8000 != 0, flags & 0xf == 0,
            let questions = reader.uint16(), let answers = reader.uint16(), reader.skip(4)
        else { return nil }
        for _ in 0..<questions {
            guard reader.skipName(), reader.skip(4) else { return nil }
        }
        var records: [SRVRecord] = []
        for _ in 0..<answers {
            guard reader.skipName(), let type = reader.uint16(), let dataClass = reader.uint16(), reader.skip(4),
                let length = reader.uint16(), let end = reader.end(ofNext: Int(length))
            else { return nil }
            if type == 33 && dataClass == 1 {
                guard let priority = reader.uint16(), let weight = reader.uint16(), let port = reader.uint16(),
                    let target = reader.name(), reader.position <= end
                else { return nil }
                if port > 0, !target.isEmpty, target.utf8.allSatisfy(isHostCharacter) {
                    records.append(SRVRecord(priority: priority, weight: weight, port: port, target: target))
                }
            }
            reader.position = end
        }
        return records
    }

    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }
}

/// Reads the parts of a DNS message; each read is checked against the end of the message.
private struct DNSReader {
    let bytes: [UInt8]
    var position = 0

    mutating func uint16() -> UInt16? {
        guard position + 2 <= bytes.count else { return nil }
        defer { position += 2 }
        return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
    }

    mutating func skip(_ count: Int) -> Bool {
        guard let end = end(ofNext: count) else { return false }
        position = end
        return true
    }

    /// Where the next `count` bytes end; nil if they are not there.
    func end(ofNext count: Int) -> Int? { position + count <= bytes.count ? position + count : nil }

    mutating func skipName() -> Bool { name() != nil }

    /// A name in lower case, without a final dot; empty for the root.
    mutating func name() -> String? {
        var labels: [String] = []
        var length = 0
        var index = position
        // A pointer leads to what stands before the part that it ends, so there are no loops.
        var limit = position
        var hasJumped = false
        while true {
            guard index < bytes.count else { return nil }
            let byte = Int(bytes[index])
            switch byte >> 6 {
            case 0:
                index += 1
                if !hasJumped { position = index + byte }
                if byte == 0 { return labels.joined(separator: ".") }
                length += byte + 1
                guard index + byte <= bytes.count, length <= 254 else { return nil }
                labels.append(String(decoding: bytes[index..<index + byte], as: UTF8.self).lowercased())
                index += byte
            case 3:
                guard index + 1 < bytes.count else { return nil }
                let target = (byte & 0x3f) << 8 | Int(bytes[index + 1])
                if !hasJumped { position = index + 2 }
                guard target < limit else { return nil }
                hasJumped = true
                (index, limit) = (target, target)
            default:
                return nil
            }
        }
    }
}
