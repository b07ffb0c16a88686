// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A task that runs at regular times, on the leader of an election only.
///
/// ```swift
/// let election = try LeaderElection("reports/leader", candidate: "node-1", on: .client(client))
/// let task = try LeaderTask("reports/hourly", on: election, every: .seconds(3600)) { run in
///     try await run.guarded(then: [.put("reports/last", "\(run.slot)")])
/// }
/// try await task.run()
/// ```
///
/// The times are *slots*: multiples of the interval, the same for all nodes. A slot is claimed before its run, in a
/// transaction under the leadership, in which it must be later than the last one claimed. So no slot has two runs,
/// whichever nodes lead and however wrong their clocks are; a run that ends with its node is not repeated. A clock that is
/// ahead makes runs early, and then the others wait until their clocks have caught up.
///
/// Runs never overlap in one ``run()`` or ``run(in:)``. When the leadership is lost, the run is cancelled before
/// another node can lead. The body may still go on, or its process may be stopped: use ``Grant/guarded(if:then:else:)``
/// for writes that must not happen beside the next leader's run.
public final class LeaderTask: Sendable {
    /// The name of the task.
    public let name: String
    /// The clock of tasks, for tests.
    @TaskLocal static var clock: @Sendable () -> Date = { Date() }
    private let runner: TaskRunner
    private let running = Lock<Task<Void, Never>?>(nil)

    /// Describes a task.
    ///
    /// - Parameters:
    ///   - name: The name of the task, whose record is under `<name>/task`; not within the name of the election.
    ///   - election: Chooses the node that runs it.
    ///   - interval: The time between slots, at least a millisecond.
    ///   - anchor: One of the slots; by default, slots are multiples of the interval since 1970.
    ///   - missedRuns: How to treat slots that have passed without a run.
    ///   - onEvent: Is called with each event on this node; it must return soon.
    ///   - body: Does the work. An error that it throws is reported, and the next slot is another attempt.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: String,
        on election: LeaderElection,
        every interval: Duration,
        anchor: Date = Date(timeIntervalSince1970: 0),
        missedRuns: MissedRuns = .once,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in },
        _ body: @escaping @Sendable (Run) async throws -> Void
    ) throws(EtcdError) {
        try Key(name).checkName(of: "task")
        let key = Key(name) + "/task"
        if key.hasPrefix(election.queue.key + "/") {
            throw EtcdError(.invalidArgument, "\"\(name)\" is within the election \"\(election.name)\"")
        }
        let milliseconds = interval / .milliseconds(1)
        guard milliseconds >= 1, milliseconds <= Double(TaskSchedule.bound) else {
            let range = "it can be from 1 ms to \(TaskSchedule.bound) ms"
            throw EtcdError(.invalidArgument, "\"\(name)\" cannot run every \(interval): \(range)")
        }
        self.name = name
        var election = election
        election.onEvent = { [tell = election.onEvent] event in
            tell(event)
            if case .hindered(let error) = event { onEvent(.hindered(error)) }
        }
        runner = TaskRunner(
            key: key,
            election: election,
            schedule: TaskSchedule(interval: Int64(milliseconds), anchor: anchor.milliseconds),
            missedRuns: missedRuns,
            clock: Self.clock,
            report: onEvent,
            body: body
        )
    }

    deinit { running.withLock { $0 }?.cancel() }

    // MARK: Running

    /// Campaigns, and runs the task at its slots while this node leads, until the caller's task is cancelled.
    ///
    /// Then it cancels the run of a slot, waits for its end, gives the leadership up, and returns.
    ///
    /// - Throws: As ``LeaderElection/run(_:)`` does; ``EtcdError`` with the code `invalidArgument` when the key of the
    ///   task contains something else.
    public func run() async throws { try await runner.run() }

    /// Runs the task at its slots while a term lasts: for several tasks under one leadership.
    ///
    /// - Parameter term: The leadership.
    /// - Throws: ``CoordinationLoss`` when the leadership has ended; ``EtcdError``, among its codes `invalidArgument`
    ///   when the key of the task contains something else. It returns when the caller's task is cancelled.
    public func run(in term: LeaderTerm) async throws {
        do {
            try await term.hold.lifetime.whileHeld { [runner] in try await runner.run(in: term) }
        } catch {
            if let error = error.unlessCancelled { throw error }
        }
    }

    /// Does what ``run()`` does, until ``stop()``, or until the task is dropped.
    ///
    /// Starting twice does nothing. An error that ends it is an ``Event/stopped(_:)``; then it can be started again.
    public func start() {
        running.withLock { task in
            if task != nil { return }
            task = Task { [runner, running] in
                do {
                    try await runner.run()
                    running.withLock { $0 = nil }
                } catch {
                    running.withLock { $0 = nil }
                    runner.report(.stopped(error))
                }
            }
        }
    }

    /// Ends the work that ``start()`` has begun, and waits until the current run has ended and the leadership is given up.
    public func stop() async {
        let task = running.withLock { $0 }
        task?.cancel()
        await task?.value
    }

    // MARK: Status

    /// Reads the status of the last slot.
    ///
    /// - Returns: The status; nil before the first leader.
    /// - Throws: ``EtcdError``, with the code `invalidArgument` when the key of the task contains something else.
    public func status() async throws(EtcdError) -> Status? {
        guard let entry = try await runner.election.queue.client.get(runner.key) else { return nil }
        return Status(try TaskRecord(entry))
    }
}
