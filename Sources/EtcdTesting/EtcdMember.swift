// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// An etcd process of an ``EtcdCluster``, and the faults that a test can inject.
///
/// Its data and its ports stay the same over restarts.
public final class EtcdMember: Sendable {
    /// The member's name, which is unique over all clusters.
    public let name: String

    /// Its client endpoint, as `127.0.0.1:PORT`, or `https://127.0.0.1:PORT` with TLS.
    public let endpoint: String

    /// The port for its state, without TLS.
    private let statePort: UInt16
    private let command: [String]
    private let sandbox: Sandbox
    private let state: Lock<State>

    private struct State {
        var process: pid_t?
        /// Whether the process on the port is known to be ours, now or before a restart.
        var isVerified: Bool
    }

    /// Makes a member; with `isVerified`, no other process is expected on its port.
    init(
        name: String,
        endpoint: String,
        statePort: UInt16,
        command: [String],
        sandbox: Sandbox,
        isVerified: Bool
    ) {
        self.name = name
        self.endpoint = endpoint
        self.statePort = statePort
        self.command = command
        self.sandbox = sandbox
        state = Lock(State(isVerified: isVerified))
    }

    /// The ID of its process; nil if it has none.
    package var processID: Int32? {
        state.withLock(\.process).flatMap { sandbox.isRunning($0) ? $0 : nil }
    }

    /// Whether its process is alive (a frozen one is).
    public var isRunning: Bool { processID != nil }

    /// The beginning and the end of its log, for messages of failing tests.
    public var logExcerpt: String {
        let log = (try? Data(contentsOf: URL(fileURLWithPath: "\(sandbox.folder)/\(logName)"))) ?? Data()
        let lines = String(decoding: log, as: UTF8.self).split(separator: "\n")
        let excerpt = lines.count <= 16 ? lines : lines.prefix(4) + ["…"] + lines.suffix(11)
        return excerpt.map { String($0.prefix(500)) }.joined(separator: "\n")
    }

    /// Kills the process (SIGKILL), like a crash, and waits for its end.
    public func kill() async {
        signal(SIGKILL)
        while isRunning { await pause(.milliseconds(2)) }
    }

    /// Terminates the process (SIGTERM), and waits for its end.
    ///
    /// After five seconds it is killed.
    public func stop() async {
        signal(SIGTERM)
        thaw()
        let deadline = ContinuousClock.now + .seconds(5)
        while isRunning, ContinuousClock.now < deadline { await pause(.milliseconds(5)) }
        await kill()
    }

    /// Starts the process again with its data and its ports, and waits until it is ready.
    ///
    /// A running process is killed first. A member is ready when its cluster has a leader. To restart a majority,
    /// restart its members concurrently.
    ///
    /// - Parameter timeout: The time for it to become ready.
    /// - Throws: ``EtcdTestingError``: `startFailed`, `notReady`, or `stopped` after ``EtcdCluster/stop()``.
    public func restart(timeout: Duration = .seconds(30)) async throws {
        await kill()
        try start()
        try await waitUntilReady(timeout: timeout)
    }

    /// Freezes the process (SIGSTOP), and returns when it has stopped.
    ///
    /// Its connections stay open, but it does not answer.
    public func freeze() async {
        signal(SIGSTOP)
        let deadline = ContinuousClock.now + .seconds(5)
        while let process = processID, !sandbox.isFrozen(process), .now < deadline { await pause(.milliseconds(1)) }
    }

    /// Resumes a frozen process (SIGCONT).
    public func thaw() {
        signal(SIGCONT)
    }

    /// Waits until the member, and no other process on its port, answers, and its cluster has a leader.
    ///
    /// - Parameter timeout: The longest time to wait.
    /// - Throws: ``EtcdTestingError``: `startFailed` as soon as its process has ended, `notReady` when the time has
    ///   passed; or `CancellationError`.
    public func waitUntilReady(timeout: Duration = .seconds(30)) async throws {
        let end = ContinuousClock.now + timeout
        var problem: String?
        while true {
            try Task.checkCancellation()
            guard isRunning else {
                throw EtcdTestingError(code: .startFailed, message: "\(name) is not running; its log:\n\(logExcerpt)")
            }
            do {
                // A request during an election may wait for long, so the request is repeated.
                let deadline = min(end, .now + .seconds(1))
                guard let refusal = try await refusal(deadline) else { return }
                problem = refusal
            } catch let error as EtcdTestingError where error.code == .notReady {
                problem = problem ?? error.message
            }
            guard ContinuousClock.now < end else {
                let message = "\(name) was not ready within \(timeout) (\(problem ?? "")); its log:\n\(logExcerpt)"
                throw EtcdTestingError(code: .notReady, message: message)
            }
            await pause(.milliseconds(5))
        }
    }

    /// A value of the member's own metrics, such as `etcd_debugging_mvcc_watcher_total`; nil if it has none.
    package func metric(_ name: String) async throws -> Double? {
        // A machine that is busy with other tests may leave the member no processor time for seconds.
        let page = try await LoopbackHTTP.request("/metrics", port: statePort, deadline: .now + .seconds(30)).text
        let line = page.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
        return line.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    func start() throws {
        try state.withLock { state in
            if let process = state.process, sandbox.isRunning(process) { return }
            state.process = try sandbox.spawn(command, log: logName)
        }
    }

    private var logName: String { "\(name).log" }

    private func signal(_ number: CInt) {
        if let process = state.withLock(\.process) { sandbox.signal(number, process) }
    }

    /// The reason why the member is not ready; nil when it is.
    private func refusal(_ deadline: ContinuousClock.Instant) async throws -> String? {
        let list = try await LoopbackHTTP.request(
            "/v3/cluster/member/list",
            posting: "{}",
            port: statePort,
            deadline: deadline
        )
        if let members = try? JSONDecoder().decode(MemberList.self, from: list.body) {
            guard members.member(named: name) == members.header.member_id else { return "another member answers" }
            state.withLock { $0.isVerified = true }
        } else if list.text.contains("rpc not supported for learner") {
            return try await refusalOfLearner(deadline)
        } else if !(needsUser(list) && state.withLock(\.isVerified)) {
            return list.text
        }
        // A linearizable read needs a leader; the check of the user comes only after that.
        let read = try await LoopbackHTTP.request(
            "/v3/kv/range",
            posting: #"{"key":"AA=="}"#,
            port: statePort,
            deadline: deadline
        )
        return read.status == 200 || needsUser(read) ? nil : read.text
    }

    /// The reason why a learner, which answers little more than its status, is not ready; nil when it is.
    private func refusalOfLearner(_ deadline: ContinuousClock.Instant) async throws -> String? {
        let status = try await LoopbackHTTP.request(
            "/v3/maintenance/status",
            posting: "{}",
            port: statePort,
            deadline: deadline
        )
        if needsUser(status) { return nil }
        let leader = try? JSONDecoder().decode(MemberStatus.self, from: status.body).leader
        return leader == nil ? status.text : nil
    }

    /// Whether a test has enabled authentication.
    private func needsUser(_ response: LoopbackHTTP.Response) -> Bool {
        response.text.contains("user name is empty")
    }
}

/// etcd's answer to `/v3/cluster/member/list`, whose numbers are strings.
private struct MemberList: Decodable {
    struct Header: Decodable {
        let member_id: String
    }

    struct Member: Decodable {
        let ID: String
        let name: String?
    }

    let header: Header
    let members: [Member]

    func member(named name: String) -> String? {
        members.first { $0.name == name }?.ID
    }
}

/// etcd's answer to `/v3/maintenance/status`, which has no leader while it knows none.
private struct MemberStatus: Decodable {
    let leader: String?
}
