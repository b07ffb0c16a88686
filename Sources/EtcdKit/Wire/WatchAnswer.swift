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
        if let answer = WatchAnswer(bytes) {
            body(answer)
            return nil
        }
        switch ProtobufDecoder.decode(Wire.WatchResponse.self, from: bytes) {
        case .success(let response):
            var canonical: [UInt8] = []
            ProtobufEncoder.encode(response, into: &canonical)
            canonical.withUnsafeBytes { bytes in
                if let answer = WatchAnswer(bytes, isWithinBudget: true) { body(answer) }
            }
            return nil
        case .failure(let error):
            return error
        }
    }

    /// Reads a message; nil for one that is not as etcd writes them, or may take up too much memory.
    private init?(_ bytes: UnsafeRawBufferPointer, isWithinBudget: Bool = false) {
        var reader = ProtobufScanner(bytes)
        while !reader.isAtEnd {
            let start = reader.position
            guard let tag = reader.varint() else { return nil }
            if eventCount > 0 && tag != Tag.events { return nil }
            switch tag {
            case Tag.header:
                guard let header = reader.delimited(), readHeader(header) else { return nil }
            case Tag.watchID:
                guard let value = reader.varint() else { return nil }
                watchID = Int64(bitPattern: value)
            case Tag.created:
                guard let value = reader.varint() else { return nil }
                created = value != 0
            case Tag.canceled:
                guard let value = reader.varint() else { return nil }
                canceled = value != 0
            case Tag.compactRevision:
                guard let value = reader.varint() else { return nil }
                compactRevision = Int64(bitPattern: value)
            case Tag.cancelReason:
                guard let text = reader.delimited() else { return nil }
                cancelReason = String(decoding: text, as: UTF8.self)
            case Tag.fragment:
                guard let value = reader.varint() else { return nil }
                fragment = value != 0
            case Tag.events:
                guard let event = reader.delimited(), let revision = Self.revision(ofEvent: event) else { return nil }
                if eventCount == 0 {
                    events = UnsafeRawBufferPointer(rebasing: bytes[start...])
                    lowestRevision = revision
                }
                lowestRevision = min(lowestRevision, revision)
                lastRevision = revision
                eventCount += 1
            default:
                return nil
            }
        }
        if !isWithinBudget, eventCount * Self.costOfEvent > ProtobufDecoder.budget(for: bytes.count) - bytes.count {
            return nil
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

    private mutating func readHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var reader = ProtobufScanner(bytes)
        while !reader.isAtEnd {
            switch reader.varint() {
            case 3 << 3:
                guard let value = reader.varint() else { return false }
                revision = Revision(rawValue: Int64(bitPattern: value))
            // The IDs of cluster and member, the term.
            case 1 << 3, 2 << 3, 4 << 3:
                guard reader.varint() != nil else { return false }
            default: return false
            }
        }
        return true
    }

    // MARK: Events

    /// The revision of an event, nil if it is not as etcd writes them.
    static func revision(ofEvent bytes: UnsafeRawBufferPointer) -> Revision? {
        var reader = ProtobufScanner(bytes)
        var revision: Revision = 0
        var hasEntry = false
        var hasPrevious = false
        while !reader.isAtEnd {
            switch reader.varint() {
            case 1 << 3:
                guard reader.varint() != nil else { return nil }
            case 2 << 3 | 2:
                guard !hasEntry, let entry = reader.delimited(), let found = self.revision(ofEntry: entry) else {
                    return nil
                }
                hasEntry = true
                revision = found
            case 3 << 3 | 2:
                guard !hasPrevious, let entry = reader.delimited(), self.revision(ofEntry: entry) != nil else {
                    return nil
                }
                hasPrevious = true
            default: return nil
            }
        }
        return revision
    }

    private static func revision(ofEntry bytes: UnsafeRawBufferPointer) -> Revision? {
        var reader = ProtobufScanner(bytes)
        var revision: UInt64 = 0
        while !reader.isAtEnd {
            switch reader.varint() {
            case 3 << 3:
                guard let value = reader.varint() else { return nil }
                revision = value
            // The creation's revision, the version, the lease.
            case 2 << 3, 4 << 3, 6 << 3:
                guard reader.varint() != nil else { return nil }
            // The key, the value.
            case 1 << 3 | 2, 5 << 3 | 2:
                guard reader.delimited() != nil else { return nil }
            default: return nil
            }
        }
        return Revision(rawValue: Int64(bitPattern: revision))
    }
}
