// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

// Child processes.
extension Platform {
    #if canImport(Darwin)
        private typealias SpawnActions = posix_spawn_file_actions_t?
        private typealias SpawnAttributes = posix_spawnattr_t?
        private static var noSpawnActions: SpawnActions { nil }
        private static var noSpawnAttributes: SpawnAttributes { nil }
        private static let sessionFlags = POSIX_SPAWN_SETSID | POSIX_SPAWN_CLOEXEC_DEFAULT
    #else
        private typealias SpawnActions = posix_spawn_file_actions_t
        private typealias SpawnAttributes = posix_spawnattr_t
        private static var noSpawnActions: SpawnActions { SpawnActions() }
        private static var noSpawnAttributes: SpawnAttributes { SpawnAttributes() }
        private static let sessionFlags: CInt = 0x80  // POSIX_SPAWN_SETSID, which Glibc hides from Swift
    #endif

    /// Starts a program in a session of its own, with default signals.
    ///
    /// - Parameters:
    ///   - arguments: The program, with its path or a name to look for in `PATH`, and its arguments.
    ///   - environment: All of its environment.
    ///   - descriptors: The descriptors of ours that become its numbers 0, 1 and so on; it gets no others.
    /// - Returns: The number of the process, which stays its own until ``reap(_:)``.
    /// - Throws: The error of the system.
    package static func spawn(
        _ arguments: [String],
        environment: [String: String],
        descriptors: [Int32]
    ) throws(SystemError) -> Int32 {
        // Copies with high numbers, so that no number that is given to the child is overwritten before it is copied.
        var copies: [Int32] = []
        defer { for copy in copies { close(copy) } }
        for descriptor in descriptors {
            copies.append(try uninterrupted("fcntl") { fcntl(descriptor, F_DUPFD_CLOEXEC, 10) })
        }

        var actions = noSpawnActions
        var attributes = noSpawnAttributes
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (number, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, CInt(number)) }
        #if !canImport(Darwin)
            for open in openDescriptors() where open >= descriptors.count {
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
        let status = posix_spawnp(&process, arguments.first ?? "", &actions, &attributes, &argv, &envp)
        guard status == 0 else { throw SystemError(call: "posix_spawn", number: status) }
        return process
    }

    /// Waits until our child has exited; it keeps its number.
    static func waitForExit(_ child: Int32) {
        var info = siginfo_t()
        while waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    }

    /// Waits for our child's exit, and gives its number back to the system.
    ///
    /// - Returns: The status, negative for the signal that has ended it; nil if the system does not tell, because this
    ///   process ignores `SIGCHLD`.
    @discardableResult
    package static func reap(_ child: Int32) -> Int32? {
        var status: CInt = 0
        while waitpid(child, &status, 0) == -1 { if errno != EINTR { return nil } }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : -signal
    }

    /// Kills a child that has not been reaped, and all that it has started in its session's first group.
    static func killGroup(of child: Int32) {
        _ = kill(-child, SIGKILL)
    }

    /// Makes reads and writes of a descriptor wait, as programs expect it of theirs.
    static func makeBlocking(_ descriptor: Int32) throws(SystemError) {
        let flags = try uninterrupted("fcntl") { fcntl(descriptor, F_GETFL) }
        _ = try uninterrupted("fcntl") { fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) }
    }

    #if !canImport(Darwin)
        private static func openDescriptors() -> [Int32] {
            guard let folder = opendir("/proc/self/fd") else { return [] }
            defer { closedir(folder) }
            var found: [Int32] = []
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if let number = Int32(name) { found.append(number) }
            }
            return found
        }
    #endif
}
