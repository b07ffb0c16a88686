// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("WatchState", .unit, .timeLimit(.minutes(1)))
struct WatchStateTests {
    private func response(
        header: Revision = 100,
        _ revisions: [Revision] = [],
        _ change: (inout Wire.WatchResponse) -> Void = { _ in }
    ) -> Wire.WatchResponse {
        var response = Wire.WatchResponse()
        response.header.revision = header
        response.events = revisions.map(event)
        change(&response)
        return response
    }

    private func event(_ revision: Revision) -> WatchEvent {
        var event = WatchEvent()
        event.entry.key = "k"
        event.entry.modRevision = revision
        return event
    }

    @Test("a watch from now goes on after the revision in which it was confirmed")
    func confirmationOfWatchFromNow() {
        var state = WatchState(from: nil)
        #expect(state.receive(response(header: 7) { $0.created = true }) == .created)
        #expect(state.nextRevision == 8)
    }

    @Test("an event at the highest revision does not take a watch back to the first one")
    func lastRevision() {
        #expect(Revision(rawValue: .max).next == Revision(rawValue: .max))
        #expect(Revision(rawValue: .min).previous == Revision(rawValue: .min))
        var state = WatchState(from: 3)
        let last = Revision(rawValue: .max)
        #expect(state.receive(response(header: last, [last])) == .deliver([event(last)]))
        #expect(state.nextRevision == last)
        #expect(state.receive(response(header: 7, [7])) == .none)
    }

    @Test("a confirmation does not move a watch from a given revision")
    func confirmationOfWatchFromRevision() {
        var state = WatchState(from: 3)
        #expect(state.receive(response(header: 70) { $0.created = true }) == .created)
        #expect(state.nextRevision == 3)
    }

    @Test("the last event moves the watch, not the header, which may be far ahead (dotnet-etcd#310)")
    func eventsMoveTheWatch() {
        var state = WatchState(from: 3)
        #expect(state.receive(response(header: 1000, [3, 4, 4, 9])) == .deliver([3, 4, 4, 9].map(event)))
        #expect(state.nextRevision == 10)
    }

    @Test("events that were delivered before are left out (etcd#20221)")
    func repeatedEvents() {
        var state = WatchState(from: 5)
        #expect(state.receive(response([3, 4, 5, 6])) == .deliver([5, 6].map(event)))
        #expect(state.receive(response([5, 6])) == .none)
        #expect(state.receive(response([6, 7])) == .deliver([event(7)]))
    }

    @Test("of a fragment only complete revisions are delivered; the rest waits for the next one (python-etcd3#729)")
    func fragments() {
        var state = WatchState(from: 1)
        #expect(state.receive(response([1, 2, 3]) { $0.fragment = true }) == .deliver([1, 2].map(event)))
        #expect(state.nextRevision == 3)
        #expect(state.receive(response([3, 3]) { $0.fragment = true }) == .none)
        #expect(state.receive(response([3, 4])) == .deliver([3, 3, 3, 3, 4].map(event)))
        #expect(state.nextRevision == 5)
    }

    @Test("a revision that is larger than the limit, in however many fragments, ends the watch")
    func endlessRevision() {
        // With its tag and length.
        let size = event(7).encoded.count + 2
        var state = WatchState(from: 1, limit: 10 * size)
        // Revisions that are complete do not count.
        for revision in 1...20 as ClosedRange<Int64> {
            let next = Revision(rawValue: revision)
            #expect(state.receive(response([next, next.next]) { $0.fragment = true }) != .tooLarge)
        }
        for _ in 0..<9 { #expect(state.receive(response([21]) { $0.fragment = true }) == .none) }
        // Ten are the limit, and eleven are over it when more comes.
        #expect(state.receive(response([21]) { $0.fragment = true }) == .none)
        #expect(state.receive(response([21]) { $0.fragment = true }) == .tooLarge)
    }

    @Test("a connection lost within a revision leaves the watch before it")
    func disconnectionWithinFragments() {
        var state = WatchState(from: 1)
        _ = state.receive(response([1, 2]) { $0.fragment = true })
        state.disconnected()
        #expect(state.nextRevision == 2)
        #expect(state.receive(response([2, 2, 3])) == .deliver([2, 2, 3].map(event)))
    }

    @Test("progress moves an idle watch, but never backwards")
    func progress() {
        var state = WatchState(from: 5)
        #expect(state.receive(response(header: 40)) == .progress(40))
        #expect(state.nextRevision == 41)
        #expect(state.receive(response(header: 39)) == .none)
        #expect(state.nextRevision == 41)
    }

    @Test("compaction ends a watch with the oldest revision that is left (etcd#9386)")
    func compaction() {
        var state = WatchState(from: 5)
        let action = state.receive(
            response { response in
                response.canceled = true
                response.compactRevision = 30
            }
        )
        guard case .end(.compacted, _, compactRevision: 30) = action else {
            Issue.record("\(action)")
            return
        }
    }

    @Test(
        "reasons to end a watch and reasons to move it are distinguished",
        arguments: [
            ("etcdserver: no leader", nil),
            ("rpc error: code = Unavailable desc = etcdserver: no leader", nil),
            ("etcdserver: server stopped", nil),
            (
                "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
                EtcdError.Code.permissionDenied
            ),
            ("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", .invalidToken),
            ("etcdserver: mvcc: required revision has been compacted", .compacted),
            ("mvcc: watcher range is empty", .invalidArgument),
            ("something new", .server),
            ("", .server),
        ] as [(String, EtcdError.Code?)]
    )
    func reasons(reason: String, code: EtcdError.Code?) {
        var state = WatchState(from: 5)
        let action = state.receive(
            response { response in
                response.canceled = true
                response.cancelReason = reason
            }
        )
        if case .end(let ended, _, _) = action {
            #expect(ended == code)
        } else {
            #expect(action == .resume && code == nil)
        }
    }

    @Test("however a history is cut into answers and connections, it arrives once and in order", arguments: 0..<200)
    func randomHistories(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        // Revisions 1 to 60, some with several events, as one server would send them in any split.
        let history = (1...60).flatMap { revision in
            (0..<Int.random(in: 1...4, using: &random)).map { _ in Revision(rawValue: Int64(revision)) }
        }
        var state = WatchState(from: 1)
        var seen: [Revision] = []
        var position = 0
        while seen.count < history.count {
            let isCut = Int.random(in: 0..<6, using: &random) == 0
            if isCut {
                state.disconnected()
                position = history.firstIndex { $0 >= state.nextRevision } ?? history.count
            }
            let count = min(Int.random(in: 1...9, using: &random), history.count - position)
            let slice = Array(history[position..<position + count])
            position += count
            // etcd splits a revision over fragments only.
            let continues = position < history.count && history[position] == slice.last
            let action = state.receive(response(header: 1000, slice) { $0.fragment = continues })
            if case .deliver(let events) = action { seen += events.map(\.revision) }
        }
        #expect(seen == history)
    }
}

extension WatchState {
    /// The next step, with the events themselves.
    fileprivate enum Outcome: Equatable {
        case none, created, resume
        case deliver([WatchEvent])
        case progress(Revision)
        case tooLarge
        case end(EtcdError.Code, String, compactRevision: Revision?)
    }

    /// Takes an answer as it comes from the server.
    fileprivate mutating func receive(_ response: Wire.WatchResponse) -> Outcome {
        var outcome = Outcome.none
        response.encoded.withUnsafeBytes { bytes in
            let error = WatchAnswer.read(bytes) { answer in
                switch receive(answer) {
                case .none: break
                case .created: outcome = .created
                case .resume: outcome = .resume
                case .deliverAll: outcome = .deliver(EncodedEvents(answer).all)
                case .deliver(let events): outcome = .deliver(events.all)
                case .progress(let revision): outcome = .progress(revision)
                case .tooLarge: outcome = .tooLarge
                case .end(let code, let text, let revision): outcome = .end(code, text, compactRevision: revision)
                }
            }
            #expect(error == nil)
        }
        return outcome
    }
}

extension EncodedEvents {
    /// The events of an answer.
    init(_ answer: WatchAnswer) {
        self.init()
        append(answer.events)
    }

    /// All events; one that cannot be decoded is a failure of the test.
    var all: [WatchEvent] {
        var (rest, events) = (self, [WatchEvent]())
        do {
            while let event = try rest.popFirst() { events.append(event) }
        } catch {
            Issue.record(error)
        }
        return events
    }
}
