// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// The loop must read the same from an answer as the decoder does.
@Suite("WatchAnswer", .unit, .timeLimit(.minutes(1)))
struct WatchAnswerTests {
    /// The parts of an answer as the loop reads it, with its events decoded.
    private struct Reading: Equatable {
        var response = Wire.WatchResponse()
        var lowest: Revision?
        var last: Revision?

        init(_ response: Wire.WatchResponse) {
            self.response = response
            // The loop does not need these.
            self.response.header = ResponseHeader()
            self.response.header.revision = response.header.revision
            lowest = response.events.map(\.revision).min()
            last = response.events.last?.revision
        }

        init(_ answer: WatchAnswer) {
            response.header.revision = answer.revision
            response.watchID = answer.watchID
            response.created = answer.created
            response.canceled = answer.canceled
            response.compactRevision = answer.compactRevision
            response.cancelReason = answer.cancelReason
            response.fragment = answer.fragment
            response.events = EncodedEvents(answer).all
            lowest = answer.eventCount > 0 ? answer.lowestRevision : nil
            last = answer.eventCount > 0 ? answer.lastRevision : nil
        }
    }

    private func reading(_ bytes: [UInt8]) -> Result<Reading, ProtobufError> {
        var reading: Reading?
        // A copy of just this size, so that an address sanitizer sees a read beyond it.
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        let error = WatchAnswer.read(UnsafeRawBufferPointer(copy)) { reading = Reading($0) }
        if let reading { return .success(reading) }
        return .failure(error ?? .truncated)
    }

    private func deletions(_ revisions: [Revision]) -> Wire.WatchResponse {
        var response = Wire.WatchResponse()
        response.header.revision = 9
        response.watchID = 3
        response.events = revisions.map { WatchEvent(deletionOf: "key", at: $0) }
        return response
    }

    @Test("mutated answers are read as the decoder reads them, or refused for the same reason")
    func mutations() throws {
        let corpus = try WireVector.all.get().filter { $0.name == "etcdserverpb.WatchResponse" }
            .flatMap { [$0.bytes] + $0.also }
        var mutator = Mutator(corpus: corpus, seed: TestEnvironment.fuzzSeed ?? 1)
        var readCount = 0
        for iteration in 0..<(TestEnvironment.fuzzIterations ?? 3000) {
            let bytes = iteration < corpus.count ? corpus[iteration] : mutator.next()
            let expected = Wire.WatchResponse.decoded(from: bytes).map(Reading.init)
            if case .success = expected { readCount += 1 }
            try #require(reading(bytes) == expected, "iteration \(iteration): \(bytes.hexDigits)")
        }
        #expect(readCount > 300)
    }

    @Test("an answer as etcd encodes it is read in place, and its events are not copied")
    func inPlace() {
        let bytes = deletions([7, 8, 8]).encoded
        bytes.withUnsafeBytes { bytes in
            let error = WatchAnswer.read(bytes) { answer in
                let end = answer.events.baseAddress.map { $0 + answer.events.count }
                #expect(end == bytes.baseAddress.map { $0 + bytes.count })
                #expect(answer.eventCount == 3)
            }
            #expect(error == nil)
        }
    }

    @Test("an answer with an unknown field, in any place, is read")
    func unknownFields() {
        let known = deletions([7, 8])
        let unknown: [UInt8] = [0x7a, 2, 1, 2]
        #expect(reading(unknown + known.encoded) == .success(Reading(known)))
        #expect(reading(known.encoded + unknown) == .success(Reading(known)))
    }

    @Test("an answer whose events would take up too much memory is refused")
    func budget() {
        let event: [UInt8] = [0x5a, 0x00]
        #expect(reading(Array(repeatElement(event, count: 1 << 20).joined())) == .failure(.tooLarge))
        #expect(
            (try? reading(Array(repeatElement(event, count: 50_000).joined())).get())?.response.events.count == 50_000
        )
    }

    @Test("events are taken in portions, each event once")
    func portions() throws {
        var events = EncodedEvents()
        let list = deletions([3, 4, 4, 6]).events
        for event in list {
            var response = Wire.WatchResponse()
            response.events = [event]
            response.encoded.withUnsafeBytes { bytes in
                _ = WatchAnswer.read(bytes) { events.append(EncodedEvents($0)) }
            }
        }
        #expect(events.nextRevision == 3)
        let first = try events.popFirst()
        #expect(first == list[0])
        let taken = events.takeAll(before: 6)
        #expect(taken?.events.all == Array(list[1...2]) && taken?.lastRevision == 4)
        let none = events.takeAll(before: 6)
        #expect(none == nil)
        #expect(events.all == [list[3]])
        let last = try events.popFirst()
        #expect(last == list[3])
        #expect(events.isEmpty && events.byteCount == 0 && events.nextRevision == nil)
        let end = try events.popFirst()
        #expect(end == nil)
    }
}
