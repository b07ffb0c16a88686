// SPDX-License-Identifier: Apache-2.0

/// Events as the server has sent them, which the consumer decodes one by one.
struct EncodedEvents: Sendable, Equatable {
    private var bytes: [UInt8] = []
    private var position = 0

    init() {}

    /// The events of an answer from `revision` on.
    init(_ answer: WatchAnswer, from revision: Revision) {
        var scanner = ProtobufScanner(answer.events)
        while let event = Self.scan(&scanner) {
            if event.revision >= revision { append(UnsafeRawBufferPointer(rebasing: answer.events[event.range])) }
        }
    }

    var isEmpty: Bool { position == bytes.count }

    /// How much memory the events take up, in bytes.
    var byteCount: Int { bytes.count - position }

    mutating func append(_ events: UnsafeRawBufferPointer) { bytes.append(contentsOf: events) }

    mutating func append(_ events: EncodedEvents) { bytes += events.bytes[events.position...] }

    /// The revision of the next event.
    var nextRevision: Revision? {
        bytes.withUnsafeBytes { bytes in
            var scanner = ProtobufScanner(bytes, from: position)
            return Self.scan(&scanner)?.revision
        }
    }

    /// Takes the next event.
    mutating func popFirst() throws(EtcdError) -> WatchEvent? {
        if isEmpty { return nil }
        let (result, end) = bytes.withUnsafeBytes { bytes -> (Result<WatchEvent, ProtobufError>, Int) in
            var scanner = ProtobufScanner(bytes, from: position)
            guard (try? scanner.varint()) != nil, let event = try? scanner.delimited() else {
                return (.failure(.truncated), 0)
            }
            return (ProtobufDecoder.decode(WatchEvent.self, from: event), scanner.position)
        }
        switch result {
        case .success(let event):
            position = end
            // A consumer that waits for the next answer holds no memory.
            if isEmpty { self = EncodedEvents() }
            return event
        case .failure(let error): throw EtcdError(.protocolViolation, LocalFailure(error).message)
        }
    }

    /// Takes the events that come before the first of `revision`; nil if there are none.
    mutating func takeAll(before revision: Revision) -> (events: EncodedEvents, lastRevision: Revision)? {
        let (bytes, start) = (bytes, position)
        var last: Revision?
        bytes.withUnsafeBytes { bytes in
            var scanner = ProtobufScanner(bytes, from: start)
            while let event = Self.scan(&scanner), event.revision != revision {
                last = event.revision
                position = event.range.upperBound
            }
        }
        guard let last else { return nil }
        var taken = EncodedEvents()
        taken.bytes = Array(bytes[start..<position])
        self.bytes = Array(bytes[position...])
        position = 0
        return (taken, last)
    }

    private static func scan(_ scanner: inout ProtobufScanner) -> (range: Range<Int>, revision: Revision)? {
        let start = scanner.position
        guard !scanner.isAtEnd, (try? scanner.varint()) != nil, let event = try? scanner.delimited(),
            let revision = try? WatchAnswer.revision(ofEvent: event)
        else { return nil }
        return (start..<scanner.position, revision)
    }
}
