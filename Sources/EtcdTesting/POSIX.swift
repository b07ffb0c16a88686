// SPDX-License-Identifier: Apache-2.0

// The operating system's calls that differ between Linux and macOS, or are awkward in Swift. No other file of this
// target asks which platform it is on.

import Foundation

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

enum POSIX {
    #if canImport(Darwin)
        /// Whether etcd may listen on a port while this process keeps a (never listening) socket bound to it.
        static let canListenOnBoundPort = false
        private typealias SpawnActions = posix_spawn_file_actions_t?
        private typealias SpawnAttributes = posix_spawnattr_t?
        private static var noSpawnActions: SpawnActions { nil }
        private static var noSpawnAttributes: SpawnAttributes { nil }
        private static let sessionFlags = POSIX_SPAWN_SETSID | POSIX_SPAWN_CLOEXEC_DEFAULT
    #else
        /// Whether etcd may listen on a port while this process keeps a (never listening) socket bound to it.
        static let canListenOnBoundPort = true
        private typealias SpawnActions = posix_spawn_file_actions_t
        private typealias SpawnAttributes = posix_spawnattr_t
        private static var noSpawnActions: SpawnActions { SpawnActions() }
        private static var noSpawnAttributes: SpawnAttributes { SpawnAttributes() }
        private static let sessionFlags: CInt = 0x80  // POSIX_SPAWN_SETSID, which Glibc hides from Swift
    #endif

    // MARK: Processes

    /// Starts a program in a session of its own, with default signals and without any descriptor of ours but one.
    ///
    /// `arguments` begin with the program's absolute path. The `descriptor` it inherits becomes its number 0 or 3;
    /// standard input is `/dev/null` unless it is 0. Standard output and standard error are appended to `output`.
    static func spawn(
        _ arguments: [String],
        environment: [String: String],
        inheriting descriptor: CInt,
        as number: CInt,
        output: String
    ) throws -> pid_t {
        var actions = noSpawnActions
        var attributes = noSpawnAttributes
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }

        posix_spawn_file_actions_adddup2(&actions, descriptor, number)
        if number != 0 { posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        #if !canImport(Darwin)
            for open in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap({ CInt($0) })
            where open > max(2, number) {
                posix_spawn_file_actions_addclose(&actions, open)
            }
        #endif

        var noSignals = sigset_t()
        var ownSignals = sigset_t()
        sigemptyset(&noSignals)
        sigemptyset(&ownSignals)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { sigaddset(&ownSignals, signal) }
        posix_spawnattr_setsigmask(&attributes, &noSignals)
        posix_spawnattr_setsigdefault(&attributes, &ownSignals)
        let flags = sessionFlags | CInt(POSIX_SPAWN_SETSIGMASK) | CInt(POSIX_SPAWN_SETSIGDEF)
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for string in argv + envp { free(string) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, arguments[0], &actions, &attributes, &argv, &envp)
        guard status == 0 else { throw EtcdTestingError.system("cannot start \(arguments[0])", status) }
        return process
    }

    /// Whether our child has exited.
    ///
    /// It keeps its process number until ``reap(_:)``.
    static func hasExited(_ child: pid_t) -> Bool {
        var info = siginfo_t()
        guard waitid(P_PID, id_t(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return errno == ECHILD }
        return info.si_signo == SIGCHLD
    }

    /// Whether all of our child's threads are stopped.
    static func isStopped(_ child: pid_t) -> Bool {
        var info = siginfo_t()
        return waitid(P_PID, id_t(child), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_signo == SIGCHLD
    }

    /// Waits for our child's exit and gives its process number back to the system.
    static func reap(_ child: pid_t) {
        var status: CInt = 0
        while waitpid(child, &status, 0) == -1, errno == EINTR {}
    }

    // MARK: Sockets

    /// A TCP socket that no child inherits.
    static func tcpSocket() throws -> CInt {
        #if canImport(Darwin)
            return try hiddenFromChildren(socket(AF_INET, SOCK_STREAM, 0))
        #else
            return try checked(socket(AF_INET, streamType, 0))
        #endif
    }

    /// Two connected sockets that no child inherits.
    static func socketPair() throws -> (CInt, CInt) {
        var pair: [CInt] = [-1, -1]
        #if canImport(Darwin)
            _ = try checked(socketpair(AF_UNIX, SOCK_STREAM, 0, &pair))
            return try (hiddenFromChildren(pair[0]), hiddenFromChildren(pair[1]))
        #else
            _ = try checked(socketpair(AF_UNIX, streamType, 0, &pair))
            return (pair[0], pair[1])
        #endif
    }

    /// Sends without ever raising SIGPIPE.
    static func write(_ bytes: some Collection<UInt8>, to socket: CInt) -> Int {
        #if canImport(Darwin)
            return send(socket, Array(bytes), bytes.count, 0)
        #else
            return send(socket, Array(bytes), bytes.count, CInt(MSG_NOSIGNAL))
        #endif
    }

    /// Calls `body` with 127.0.0.1 and `port` as a socket address.
    static func withLoopbackAddress<R>(
        port: UInt16,
        _ body: (UnsafeMutablePointer<sockaddr>, inout socklen_t) -> R
    ) -> (result: R, port: UInt16) {
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &size) }
        }
        return (result, UInt16(bigEndian: address.sin_port))
    }

    /// The ports of both ends of a connection over IPv4.
    static func ports(of socket: CInt) -> (own: UInt16, peer: UInt16)? {
        let own = withLoopbackAddress(port: 0) { getsockname(socket, $0, &$1) }
        let peer = withLoopbackAddress(port: 0) { getpeername(socket, $0, &$1) }
        return own.result == 0 && peer.result == 0 ? (own.port, peer.port) : nil
    }

    #if canImport(Darwin)
        private static func hiddenFromChildren(_ socket: CInt) throws -> CInt {
            var on: CInt = 1
            _ = try checked(socket)
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
            setsockopt(socket, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<CInt>.size))
            return socket
        }
    #elseif canImport(Glibc)
        private static let streamType = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    #else
        private static let streamType = SOCK_STREAM | SOCK_CLOEXEC
    #endif

    private static func checked(_ result: CInt) throws -> CInt {
        guard result >= 0 else { throw EtcdTestingError.system("cannot open a socket", errno) }
        return result
    }
}

extension EtcdTestingError {
    static func system(_ what: String, _ status: CInt, code: Code = .system) -> EtcdTestingError {
        EtcdTestingError(code: code, message: "\(what): \(String(cString: strerror(status)))")
    }
}

/// Waits, also when the task is cancelled: what starts a process must be able to see its end.
func pause(_ duration: Duration) async {
    let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(nanoseconds))) { continuation.resume() }
    }
}
