// SPDX-License-Identifier: Apache-2.0

// System calls that differ between Linux and macOS, or are awkward in Swift. No other file of this target checks the
// platform.

import EtcdKit
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
    #else
        /// Whether etcd may listen on a port while this process keeps a (never listening) socket bound to it.
        static let canListenOnBoundPort = true
    #endif

    // MARK: Processes

    /// Starts a program in a session of its own, with default signals and with only one of our descriptors.
    ///
    /// `arguments` begin with the program's absolute path. The inherited `descriptor` gets the number 0 or 3; standard
    /// input is `/dev/null` unless it is 0. Standard output and standard error are appended to `output`.
    static func spawn(
        _ arguments: [String],
        environment: [String: String],
        inheriting descriptor: CInt,
        as number: CInt,
        output: String
    ) throws -> pid_t {
        let nothing = try opened("/dev/null", O_RDONLY)
        defer { close(nothing) }
        let log = try opened(output, O_WRONLY | O_CREAT | O_APPEND)
        defer { close(log) }
        do throws(SystemError) {
            let standard = [number == 0 ? descriptor : nothing, log, log]
            return try Platform.spawn(
                arguments,
                environment: environment,
                descriptors: number == 0 ? standard : standard + [descriptor]
            )
        } catch {
            throw EtcdTestingError.system("cannot start \(arguments[0])", error.number)
        }
    }

    private static func opened(_ path: String, _ flags: CInt) throws -> CInt {
        let descriptor = open(path, flags | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw EtcdTestingError.system("cannot open \(path)", errno) }
        return descriptor
    }

    /// Whether our child has exited.
    ///
    /// Its process ID stays reserved until `Platform.reap`.
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

    /// Sends without raising SIGPIPE.
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

/// Waits, even if the task is cancelled: the code that starts a process must be able to observe its end.
func pause(_ duration: Duration) async {
    let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    await withCheckedContinuation { continuation in
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(Int(nanoseconds))) { continuation.resume() }
    }
}
