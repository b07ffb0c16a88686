// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Testing

@testable import EtcdKit

/// A look-up that hangs takes one thread, however many callers wait for it.
@Suite("SharedWork", .measurement, .serialized, .timeLimit(.minutes(1)))
@EventLoop
struct SharedWorkTests {
    /// A name server that does not answer until the test lets it.
    private final class NameServer: Sendable {
        let asked = Lock<[String]>([])
        private let gate = DispatchSemaphore(value: 0)

        func open(_ count: Int) { for _ in 0..<count { gate.signal() } }

        func resolver() -> HostResolver {
            HostResolver { host, _ in
                self.asked.withLock { $0.append(host) }
                self.gate.wait()
                return .failure(SocketAddress.LookupError(host: host, reason: "late", isUnknown: true))
            }
        }
    }

    @Test("concurrent look-ups of a name share one look-up and its answer")
    func names() async throws {
        let server = NameServer()
        let resolver = server.resolver()
        var answers: [String] = []
        var lookups: [HostResolver.Lookup] = []
        for number in 0..<20 {
            let host = number < 15 ? "a.example" : "b.example"
            lookups.append(resolver.resolve(host, port: 1) { _ in answers.append(host) })
        }
        // A caller that has given up gets no answer.
        lookups.remove(at: 3)
        try await eventually("both were asked for") { server.asked.withLock { $0.count } == 2 }
        #expect(Set(server.asked.withLock { $0 }) == ["a.example", "b.example"])
        server.open(2)
        try await eventually("all have their answer") { answers.count == 19 }
        #expect(answers.filter { $0 == "a.example" }.count == 14)
        lookups.append(resolver.resolve("a.example", port: 1) { _ in answers.append("anew") })
        try await eventually("it is asked for anew") { server.asked.withLock { $0.count } == 3 }
        server.open(1)
        try await eventually("there is an answer") { answers.last == "anew" }
        #expect(server.asked.withLock { $0.count } == 3)
    }

    @Test(
        "attempts to connect that are given up while a look-up hangs do not pile up",
        .enabled(if: ProcessFigures.areAvailable)
    )
    func hangingNameServer() async throws {
        let server = NameServer()
        var configuration = try EtcdClient.Configuration(endpoints: "a.example:1")
        configuration.resolver = server.resolver()
        configuration.connectTimeout = .milliseconds(20)
        configuration.backoff = Backoff(initial: .milliseconds(1), maximum: .milliseconds(1))
        let log = EventLog()
        log.attach(to: &configuration)
        let client = try EtcdClient(configuration)
        let call = Task { try await client.with(timeout: .seconds(30)).get("k") }
        try await eventually("many attempts were given up") { log.failures >= 20 }
        #expect(server.asked.withLock { $0.count } == 1)
        await client.close()
        await #expect(throws: EtcdError.self) { try await call.value }
        server.open(1)
    }

    @Test("certificates on a file system that hangs are read by one thread", .enabled(if: ProcessFigures.areAvailable))
    func hangingFile() async throws {
        let folder = try CertificateFolder()
        // Opening it waits for a writer.
        let path = folder.path(of: "ca.pem")
        try #require(mkfifo(path, 0o600) == 0)
        let source = { TLSContextSource(TLSConfiguration(trustedCertificates: .file(path))) }
        let (one, other) = (source(), source())
        let before = ProcessFigures.threadCount
        var answers = 0
        let requests = (0..<40).map { number in
            (number % 2 == 0 ? one : other).context { _ in answers += 1 }
        }
        try await Task.sleep(for: .milliseconds(100))
        #expect(ProcessFigures.threadCount - before < 20)
        #expect(answers == 0)
        let descriptor = open(path, O_RDWR | O_NONBLOCK)
        try #require(descriptor >= 0)
        try await Task.sleep(for: .milliseconds(50))
        close(descriptor)
        try await eventually("all have their answer") { answers == 40 }
        withExtendedLifetime(requests) {}
    }
}
