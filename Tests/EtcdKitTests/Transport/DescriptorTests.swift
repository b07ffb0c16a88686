// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

/// No child process inherits a socket or a pipe, not even one that is started while the descriptor is made.
@Suite("Descriptors: child processes", .measurement, .serialized, .timeLimit(.minutes(1)))
struct DescriptorTests {
    #if os(Linux)
        /// How many sockets and pipes a child has that is started, again and again, while other threads make some.
        private func inherited(_ children: Int, _ make: @escaping @Sendable () -> [Int32]) async throws -> Int {
            let folder = try CertificateFolder()
            let list = folder.path(of: "descriptors")
            let isOver = Lock(false)
            let running = Lock(2)
            for _ in 0..<2 {
                try Platform.startThread {
                    while !isOver.withLock({ $0 }) { for descriptor in make() { Platform.close(descriptor) } }
                    running.withLock { $0 -= 1 }
                }
            }
            var count = 0
            for _ in 0..<children {
                var actions = posix_spawn_file_actions_t()
                posix_spawn_file_actions_init(&actions)
                defer { posix_spawn_file_actions_destroy(&actions) }
                posix_spawn_file_actions_addopen(&actions, 1, list, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
                for number: Int32 in [0, 2] {
                    posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
                }
                let command = ["/bin/ls", "-l", "/proc/self/fd"]
                var arguments = command.map { (argument: String) in strdup(argument) } + [nil]
                defer { for argument in arguments { free(argument) } }
                var child: pid_t = 0
                try #require(posix_spawn(&child, "/bin/ls", &actions, nil, &arguments, nil) == 0)
                var status: Int32 = 0
                try #require(waitpid(child, &status, 0) == child)
                let text = try String(contentsOfFile: list, encoding: .utf8)
                try #require(text.contains(list))
                count += text.split(separator: "\n").count { $0.contains("socket:[") || $0.contains("pipe:[") }
            }
            isOver.withLock { $0 = true }
            try await eventually("the threads have ended") { running.withLock { $0 } == 0 }
            return count
        }

        @Test("a child inherits no descriptor that is just being made")
        func inheritance() async throws {
            let before = try await inherited(3) { [] } / 3
            let made = try await inherited(100) {
                guard let socket = try? Platform.makeStreamSocket(family: AF_INET), let pipe = try? Platform.makePipe()
                else { return [] }
                return [socket, pipe.read, pipe.write]
            }
            #expect(made == 100 * before)
            // The control: a descriptor that is marked as not inherited only after it was made.
            let late = try await inherited(100) {
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                return [descriptor]
            }
            #expect(late > 100 * before)
        }

        @Test("a child inherits no connection that is just being accepted")
        func acceptance() async throws {
            let before = try await inherited(3) { [] } / 3
            let listener = try Socket.listening(on: loopback(port: 0))
            let (descriptor, address) = (listener.descriptor, try loopback(port: listener.localPort()))
            let accepted = try await inherited(100) {
                guard let client = try? Platform.makeStreamSocket(family: AF_INET) else { return [] }
                try? Platform.connect(client, to: address)
                return [client, (try? Platform.acceptConnection(descriptor)) ?? -1].filter { $0 >= 0 }
            }
            #expect(accepted == 100 * before)
            withExtendedLifetime(listener) {}
        }

        @Test("a port is free again once its listener has ended, although a child still has the socket")
        func listener() throws {
            let listener = try Socket.listening(on: loopback(port: 0))
            let address = try loopback(port: listener.localPort())
            // As a child that is just being started has it.
            let copy = dup(listener.descriptor)
            defer { close(copy) }
            #expect(throws: SystemError.self, "the control: it is taken") { _ = try Socket.listening(on: address) }
            Platform.stopListening(listener.descriptor)
            _ = consume listener
            _ = try Socket.listening(on: address)
        }
    #endif

    @Test("sockets, pipes and accepted connections neither block nor are inherited")
    func flags() throws {
        let listener = try Socket.listening(on: loopback(port: 0))
        let client = try Platform.makeStreamSocket(family: AF_INET)
        try Platform.connect(client, to: loopback(port: listener.localPort()))
        var accepted: Int32?
        while accepted == nil { accepted = try listener.acceptConnection() }
        let pipe = try Platform.makePipe()
        let all = [listener.descriptor, client, try #require(accepted), pipe.read, pipe.write]
        for descriptor in all {
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
        }
        for descriptor in all.dropFirst() { Platform.close(descriptor) }
    }
}
