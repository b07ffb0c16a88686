// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A folder and the processes that work in it, which are removed together: by ``close()``, when the last reference is
/// dropped, and when this process dies.
///
/// There is one way of removal. A small shell process, the reaper, reads the process IDs from a socket. When this
/// process closes the socket or dies, the reaper kills the remaining processes and removes the folder.
final class Sandbox: Sendable {
    let folder: String

    private let reaper: pid_t
    private let state: Lock<State>

    private struct State {
        /// Our end of the reaper's socket; nil after it is closed.
        var channel: CInt?
        var reaperIsGone = false
        /// The processes that were started and not yet reaped; their IDs cannot belong to other processes.
        var children: Set<pid_t> = []
    }

    /// Reads `+ PID` and `- PID` lines until the end of file; then removes everything.
    private static let reaperScript = """
        PATH=/usr/bin:/bin:$PATH
        trap '' HUP INT TERM
        children=
        while read -r sign child; do
            case $sign in
            +)  children="$children $child" ;;
            -)  others=
                for other in $children; do [ "$other" = "$child" ] || others="$others $other"; done
                children=$others ;;
            esac
        done
        for child in $children; do kill -KILL "$child" 2>/dev/null; done
        tries=0
        until rm -rf "$1" 2>/dev/null; do   # a dying process may still be writing
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || exit 1
            sleep 0.05
        done
        """

    /// A child reports itself to the reaper before it executes the program, so there is no gap.
    private static let childScript = #"echo "+ $$" >&3 && exec "$@" 3>&-"#

    /// Makes an empty folder in `parent`.
    init(in parent: String) throws {
        folder = "\(parent)/etcd-testing-\(randomHex())"
        let (ours, theirs) = try POSIX.socketPair()
        defer { Foundation.close(theirs) }
        do {
            reaper = try POSIX.spawn(
                ["/bin/sh", "-c", Sandbox.reaperScript, "etcd-testing-reaper", folder],
                environment: ProcessInfo.processInfo.environment,
                inheriting: theirs,
                as: 0,
                output: "/dev/null"
            )
        } catch {
            Foundation.close(ours)
            throw error
        }
        state = Lock(State(channel: ours))
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit {
        let (children, reaperIsGone) = state.withLock { state in
            if let channel = state.channel { Foundation.close(channel) }
            return (state.children, state.reaperIsGone)
        }
        guard !reaperIsGone else { return }
        // The reaper ends them within moments; this only reaps them.
        DispatchQueue.global().async { [reaper] in
            Platform.reap(reaper)
            for child in children { Platform.reap(child) }
        }
    }

    /// Starts a program, and returns its process ID.
    ///
    /// `arguments` begin with the program's absolute path. Its output is appended to the file `log` in the folder.
    /// Throws `stopped` after ``close()``.
    func spawn(_ arguments: [String], log: String) throws -> pid_t {
        // etcd would interpret ETCD_NAME and the like as its flags.
        let environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("ETCD") }
        return try state.withLock { state in
            guard let channel = state.channel else {
                throw EtcdTestingError(code: .stopped, message: "the cluster has been stopped")
            }
            let child = try POSIX.spawn(
                ["/bin/sh", "-c", Sandbox.childScript, "sh"] + arguments,
                environment: environment,
                inheriting: channel,
                as: 3,
                output: "\(folder)/\(log)"
            )
            state.children.insert(child)
            return child
        }
    }

    /// Whether the process is alive.
    func isRunning(_ child: pid_t) -> Bool {
        state.withLock { isRunning(child, &$0) }
    }

    /// Whether the process is stopped, as after SIGSTOP.
    func isFrozen(_ child: pid_t) -> Bool {
        state.withLock { $0.children.contains(child) && POSIX.isStopped(child) }
    }

    /// Sends a signal, if the process is alive.
    func signal(_ number: CInt, _ child: pid_t) {
        state.withLock { state in
            if isRunning(child, &state) { _ = Foundation.kill(child, number) }
        }
    }

    /// Kills all processes and removes the folder.
    ///
    /// It can be called several times; each call waits for the end.
    func close() async {
        state.withLock { state in
            if let channel = state.channel { Foundation.close(channel) }
            state.channel = nil
        }
        while !state.withLock({ collectReaper(&$0) }) { await pause(.milliseconds(2)) }
        // A no-op, unless the reaper was killed.
        for child in state.withLock({ $0.children }) { signal(SIGKILL, child) }
        while state.withLock({ state in state.children.contains { isRunning($0, &state) } }) {
            await pause(.milliseconds(2))
        }
    }

    private func isRunning(_ child: pid_t, _ state: inout State) -> Bool {
        guard state.children.contains(child) else { return false }
        guard POSIX.hasExited(child) else { return true }
        // The reaper must drop the process ID before the system can assign it to another process.
        if let channel = state.channel {
            _ = POSIX.write("- \(child)\n".utf8, to: channel)
        } else if !state.reaperIsGone {
            return false
        }
        Platform.reap(child)
        state.children.remove(child)
        return false
    }

    private func collectReaper(_ state: inout State) -> Bool {
        if !state.reaperIsGone, POSIX.hasExited(reaper) {
            Platform.reap(reaper)
            state.reaperIsGone = true
        }
        return state.reaperIsGone
    }
}

/// 16 random hexadecimal digits.
func randomHex() -> String {
    String(UInt64.random(in: 1 << 60 ... .max), radix: 16)
}
