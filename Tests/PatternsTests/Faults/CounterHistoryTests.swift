// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PatternsWorker

@Suite("CounterHistory", .unit)
struct CounterHistoryTests {
    private typealias Rule = CounterHistory.Rule

    private static func history(
        _ changes: [(Int, String)],
        _ workers: [[WorkerEvent]]
    ) -> CounterHistory {
        CounterHistory(events: workers, changes: changes.map { CounterChange(value: $0, operation: $1) })
    }

    private static func done(_ operation: String) -> [WorkerEvent] {
        [WorkerEvent(.attempted, operation: operation), WorkerEvent(.acknowledged, operation: operation)]
    }

    private static func event(_ kind: WorkerEvent.Kind, token: Int64, at time: Double) -> WorkerEvent {
        var event = WorkerEvent(kind, token: token)
        event.time = time
        return event
    }

    @Test("a correct history violates no rule")
    func whole() {
        let open = WorkerEvent(.attempted, operation: "c")
        let refused = [WorkerEvent(.attempted, operation: "d"), WorkerEvent(.refused, operation: "d")]
        let workers = [Self.done("a") + refused, Self.done("b") + [open]]
        let history = Self.history([(1, "a"), (2, "b"), (3, "c")], workers)
        #expect(history.violations.isEmpty)
        #expect(history.final == 3 && history.unresolved == ["c"])
        #expect(Self.history([(1, "a")], [Self.done("a") + [open]]).violations.isEmpty)
    }

    @Test("each rule is violated by the history that it forbids")
    func broken() {
        let (a, b) = (Self.done("a"), Self.done("b"))
        #expect(Self.history([(1, "a"), (1, "b")], [a, b]).violations == [.noIncrementIsLost, .finalIsTheSum])
        #expect(Self.history([(1, "a")], [a, b]).violations == [.acknowledgedIsDone, .finalIsTheSum])
        let refused = [WorkerEvent(.attempted, operation: "b"), WorkerEvent(.refused, operation: "b")]
        #expect(Self.history([(1, "a"), (2, "b")], [a, refused]).violations == [.refusedIsNotDone, .finalIsTheSum])
        #expect(Self.history([(1, "a"), (2, "a")], [a]).violations == [.doneIsAttemptedOnce, .finalIsTheSum])
        #expect(Self.history([(1, "a"), (2, "b")], [a]).violations == [.doneIsAttemptedOnce, .finalIsTheSum])
        let open = [WorkerEvent(.attempted, operation: "b")]
        #expect(Self.history([(1, "a")], [open + a]).violations == [.onlyTheDeadLeaveOpen])
    }

    @Test("a holder that has been overtaken is detected")
    func overtaken() {
        let acquisitions = [Self.event(.acquired, token: 5, at: 1), Self.event(.acquired, token: 7, at: 4)]
        let early = Self.event(.held, token: 5, at: 3)
        let late = Self.event(.held, token: 5, at: 4.5)
        #expect(CounterHistory.isExclusive([[acquisitions[0], early], [acquisitions[1]]]))
        #expect(!CounterHistory.isExclusive([[acquisitions[0], late], [acquisitions[1]]]))
    }
}
