// SPDX-License-Identifier: Apache-2.0

/// A `WatchResponse` for the loop: everything except its events, of which only the revisions are read.
///
/// Reading it allocates nothing. It reads what etcd writes: known fields, the events last. Any other message goes
/// through the decoder first, which validates it and leaves the known fields in that order. So an answer always has
/// events that can be decoded.
struct WatchAnswer {
    private(set) var revision: Revision = 0
    private(set) var watchID: Int64 = 0
    private(set) var created = false
    private(set) var canceled = false
    private(set) var compactRevision: Int64 = 0
    private(set) var cancelReason = ""
    private(set) var fragment = false
    /// The events, each as a field of the message; valid during ``read(_:_:)``.
    private(set) var events = UnsafeRawBufferPointer(start: nil, count: 0)
    private(set) var eventCount = 0
    /// The revision of the oldest event.
    private(set) var lowestRevision: Revision = 0
    /// The revision of the last event.
    private(set) var lastRevision: Revision = 0

    /// Passes the answer in `bytes` to `body`; returns an error if it cannot be read.
    static func read(_ bytes: UnsafeRawBufferPointer, _ body: (WatchAnswer) -> Void) -> ProtobufError? {
        if let answer = try? WatchAnswer(bytes) {
            body(answer)
            return nil
        }
        switch ProtobufDecoder.decode(Wire.WatchResponse.self, from: bytes) {
        case .success(let response):
            var canonical: [UInt8] = []
            ProtobufEncoder.encode(response, into: &canonical)
            return canonical.withUnsafeBytes { bytes in
                do throws(ProtobufError) {
                    body(try WatchAnswer(bytes, isWithinBudget: true))
                    return nil
                } catch {
                    return error
                }
            }
        case .failure(let error):
            return error
        }
    }

    /// Reads a message; throws for one that is not as etcd writes them, or may take up too much memory.
    private init(_ bytes: UnsafeRawBufferPointer, isWithinBudget: Bool = false) throws(ProtobufError) {
        var reader = ProtobufScanner(bytes)
        while !reader.isAtEnd {
            let start = reader.position
            let tag = try reader.varint()
            if eventCount > 0 && tag != Tag.events { throw .malformedTag }
            switch tag {
            case Tag.header: try readHeader(reader.delimited())
            case Tag.watchID: watchID = Int64(bitPattern: try reader.varint())
            case Tag.created: created = try reader.varint() != 0
            case Tag.canceled: canceled = try reader.varint() != 0
            case Tag.compactRevision: compactRevision = Int64(bitPattern: try reader.varint())
            case Tag.cancelReason: cancelReason = String(decoding: try reader.delimited(), as: UTF8.self)
            case Tag.fragment: fragment = try reader.varint() != 0
            case Tag.events:
                let revision = try Self.revision(ofEvent: reader.delimited())
                if eventCount == 0 {
                    events = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    lowestRevision = revision
                }
                lowestRevision = min(lowestRevision, revision)
                lastRevision = revision
                eventCount += 1
            default: throw .malformedTag
            }
        }
        if !isWithinBudget, eventCount * Self.costOfEvent > ProtobufDecoder.budget(for: bytes.count) - bytes.count {
            throw .tooLarge
        }
    }

    /// The most that the decoder charges for an event besides its bytes.
    private static let costOfEvent = MemoryLayout<WatchEvent>.stride + 4 * 32

    private enum Tag {
        static let header: UInt64 = 1 << 3 | 2
        static let watchID: UInt64 = 2 << 3
        static let created: UInt64 = 3 << 3
        static let canceled: UInt64 = 4 << 3
        static let compactRevision: UInt64 = 5 << 3
        static let cancelReason: UInt64 = 6 << 3 | 2
        static let fragment: UInt64 = 7 << 3
        static let events: UInt64 = 11 << 3 | 2
    }

    private mutating func readHeader(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
        var reader = ProtobufScanner(bytes)
        while !reader.isAtEnd {
            switch try reader.varint() {
            case 3 << 3: revision = Revision(rawValue: Int64(bitPattern: try reader.varint()))
            // The IDs of cluster and member, the term.
            case 1 << 3, 2 << 3, 4 << 3: _ = try reader.varint()
            default: throw .malformedTag
            }
        }
    }

    // MARK: Events

    /// The revision of an event; throws if it is not as etcd writes them.
    static func revision(ofEvent bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Revision {
        var reader = ProtobufScanner(bytes)
        var revision: Revision = 0
        var hasEntry = false
        var hasPrevious = false
        while !reader.isAtEnd {
            switch try reader.varint() {
            case 1 << 3: _ = try reader.varint()
            case 2 << 3 | 2 where !hasEntry:
                hasEntry = true
                revision = try self.revision(ofEntry: reader.delimited())
            case 3 << 3 | 2 where !hasPrevious:
                hasPrevious = true
                _ = try self.revision(ofEntry: reader.delimited())
            default: throw .malformedTag
            }
        }
        return revision
    }

    private static func revision(ofEntry bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> Revision {
        var reader = ProtobufScanner(bytes)
        var revision: UInt64 = 0
        while !reader.isAtEnd {
            switch try reader.varint() {
            case 3 << 3: revision = try reader.varint()
            // The creation's revision, the version, the lease.
            case 2 << 3, 4 << 3, 6 << 3: _ = try reader.varint()
            // The key, the value.
            case 1 << 3 | 2, 5 << 3 | 2: _ = try reader.delimited()
            default: throw .malformedTag
            }
        }
        return Revision(rawValue: Int64(bitPattern: revision))
    }
}
