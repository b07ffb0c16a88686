// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Streams of bytes between two ends of this process, with and without TLS.
@Suite("ByteStream", .measurement, .timeLimit(.minutes(1)))
struct ByteStreamTests {
    enum Protection: CaseIterable {
        case none, tls, mutualTLS
    }

    private func withPair(
        _ protection: Protection,
        _ body: (ByteStream, ByteStream) async throws -> Void
    ) async throws {
        let authority = try TestCertificateAuthority()
        let isMutual = protection == .mutualTLS
        let server = TLSServerConfiguration(
            try authority.issue("server"),
            clientAuthorities: isMutual ? authority : nil
        )
        let client = TLSConfiguration(trusting: authority, as: isMutual ? try authority.issue("client") : nil)
        try await withStreamPair(
            client: protection == .none ? nil : client,
            server: protection == .none ? nil : server,
            body
        )
    }

    private static let message = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    @Test("bytes come back as they were sent, in large pieces and one by one", arguments: Protection.allCases)
    func echo(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            async let echoed: Void = {
                while case let bytes = try await server.read(), !bytes.isEmpty { try await server.write(bytes) }
                try await server.shutdownWrites()
            }()
            for byte in UInt8(0)..<100 {
                try await client.write([byte])
                #expect(try await client.read() == [byte])
            }
            async let received = client.read(all: Self.message.count)
            try await client.write(Self.message)
            #expect(try await received == Self.message)
            try await client.write([])
            try await client.shutdownWrites()
            #expect(try await client.read().isEmpty)
            try await echoed
        }
    }

    @Test("a read returns no more than it asks for, and nothing is lost", arguments: Protection.allCases)
    func limits(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            try await client.write(Array(0..<100))
            try await client.shutdownWrites()
            var received: [UInt8] = []
            while case let bytes = try await server.read(upTo: 7), !bytes.isEmpty {
                #expect(bytes.count <= 7)
                received += bytes
            }
            #expect(received == Array(0..<100))
            // Further reads give the end again.
            #expect(try await server.read().isEmpty)
        }
    }

    @Test("a stream that has ended its writes still reads until the peer ends, too", arguments: Protection.allCases)
    func halfClose(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            try await client.write([1])
            try await client.shutdownWrites()
            #expect(try await server.read() == [1])
            #expect(try await server.read().isEmpty)
            try await server.write([2])
            #expect(try await client.read() == [2])
            try await server.shutdownWrites()
            #expect(try await client.read().isEmpty)
        }
    }

    @Test("a write waits for a reader that stalls, and not for one that reads", arguments: Protection.allCases)
    func backpressure(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            let large = [UInt8](repeating: 7, count: 32 << 20)
            // The control: with a reader, all of it goes through.
            async let control = server.read(all: large.count)
            try await client.write(large)
            #expect(try await control.count == large.count)

            let isDone = Lock(false)
            async let written: Void = {
                try await client.write(large)
                isDone.withLock { $0 = true }
            }()
            // As long as bytes move, the kernel's buffers are not full.
            try await Task.sleep(for: .milliseconds(300))
            #expect(!isDone.withLock { $0 })
            #expect(try await server.read(all: large.count).count == large.count)
            try await written
        }
    }

    @Test("deadlines end calls; the stream can be read afterwards, but not written", arguments: Protection.allCases)
    func deadlines(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            let start = ContinuousClock.now
            await expect(.timedOut) { _ = try await client.read(deadline: start + .milliseconds(50)) }
            #expect(ContinuousClock.now >= start + .milliseconds(50))
            await expect(.timedOut) { _ = try await client.read(deadline: start) }
            try await server.write([1])
            #expect(try await client.read(deadline: .now + .seconds(10)) == [1])

            let large = [UInt8](repeating: 7, count: 32 << 20)
            await expect(.timedOut) { try await client.write(large, deadline: .now + .milliseconds(50)) }
            await expect(.closed) { try await client.write([1]) }
            try await server.write([2])
            #expect(try await client.read() == [2])
        }
    }

    @Test("cancellation ends a read, a write and a wait for a client", arguments: Protection.allCases)
    func cancellation(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            await expectCancellation { _ = try await client.read() }
            await expectCancellation { try await client.write([UInt8](repeating: 7, count: 32 << 20)) }
            try await server.write([1])
            #expect(try await client.read() == [1])
        }
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0)
        await expectCancellation { _ = try await listener.accept() }
        // It accepts again.
        let stream = try await ByteStream.connect(to: listener.endpoint(), timeout: .seconds(10))
        _ = try await listener.accept()
        stream.close()
        listener.close()
        await expect(.closed) { _ = try await listener.accept() }
    }

    @Test("a call in a cancelled task ends at once")
    func cancelledBefore() async throws {
        try await withPair(.none) { client, server in
            try await server.write([1])
            let outcome = await Task {
                withUnsafeCurrentTask { $0?.cancel() }
                do throws(ByteStreamError) {
                    return Result<[UInt8], ByteStreamError>.success(try await client.read())
                } catch {
                    return .failure(error)
                }
            }.value
            // Whether it was cancelled first or had read first.
            switch outcome {
            case .success(let bytes): #expect(bytes == [1])
            case .failure(let error):
                #expect(error.reason == .cancelled)
                #expect(try await client.read() == [1])
            }
        }
    }

    @Test("a reset by the peer is an error, to a reader and to a writer", arguments: Protection.allCases)
    func reset(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            // Closed with unread bytes, a socket says reset.
            try await client.write([1, 2, 3])
            _ = try await server.read(upTo: 1)
            if protection == .none {
                server.close()
                await expect(.reset) { while !(try await client.read().isEmpty) {} }
            } else {
                server.close()
                #expect(try await client.read().isEmpty)
            }
            await expect(.reset) { while true { try await client.write([1]) } }
        }
    }

    @Test("a TLS connection without a closing alert is distinguished from an orderly end")
    func truncation() async throws {
        let authority = try TestCertificateAuthority()
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: .init(authority.issue("server")))
        defer { listener.close() }
        try await withFaultProxy(to: "127.0.0.1:\(listener.port)") { proxy in
            for isCut in [true, false] {
                async let accepted = {
                    let stream = try await listener.accept()
                    try await stream.write([1])
                    return stream
                }()
                let endpoint = try Endpoint(proxy.endpoint)
                let tls = TLSConfiguration(trusting: authority)
                let client = try await ByteStream.connect(to: endpoint, tls: tls, timeout: .seconds(10))
                #expect(try await client.read() == [1])
                let server = try await accepted
                if isCut {
                    await proxy.cut()
                    await expect(.reset) { _ = try await client.read() }
                } else {
                    try await server.shutdownWrites()
                    #expect(try await client.read().isEmpty)
                }
                server.close()
                client.close()
            }
        }
    }

    @Test("closing ends the calls that wait", arguments: Protection.allCases)
    func closing(protection: Protection) async throws {
        try await withPair(protection) { client, server in
            async let closed: Void = expect(.closed) { _ = try await client.read() }
            async let stalled: Void = expect(.closed) { try await client.write([UInt8](repeating: 7, count: 32 << 20)) }
            try await Task.sleep(for: .milliseconds(20))
            client.close()
            await closed
            await stalled
            await expect(.closed) { try await client.write([1]) }
        }
    }

    @Test("the second of two tasks that read from one stream gets an error")
    func twoReaders() async throws {
        try await withPair(.none) { client, server in
            try await withThrowingTaskGroup(of: [UInt8].self) { group in
                for _ in 0..<2 { group.addTask { try await client.read() } }
                await expect(.misconfigured) { _ = try await group.next() }
                try await server.write([1])
                #expect(try await group.next() == [1])
            }
        }
    }

    @Test("an idle stream takes no processor time, also when the peer is gone")
    func idle() async throws {
        try await withPair(.none) { client, server in
            try await server.write([1])
            try await client.shutdownWrites()
            server.close()
            // Ready for reading, and nobody reads. Other tests may keep the loop busy meanwhile, but not without a break.
            try await eventually("the loop rests") {
                let before = await loopTime()
                try await Task.sleep(for: .milliseconds(200))
                return await loopTime() - before < .milliseconds(10)
            }
            #expect(try await client.read() == [1])
        }
    }

    @Test("Unix sockets, names and addresses lead to a server; the error says if nobody listens")
    func places() async throws {
        let folder = try CertificateFolder()
        let path = folder.path(of: "socket")
        let address = try #require(Platform.unixAddress(path))
        let unix = try Socket.listening(on: address)
        let stream = try await ByteStream.connect(to: Endpoint("unix://\(path)"), timeout: .seconds(10))
        #expect(stream.remoteAddress == path)
        #expect(try unix.acceptConnection().map { Platform.close($0) } != nil)

        let listener = try await ByteListener.listen(host: "localhost", port: 0)
        let named = try await ByteStream.connect(to: listener.endpoint(host: "localhost"), timeout: .seconds(10))
        let accepted = try await listener.accept()
        #expect(named.remoteAddress.hasSuffix(":\(listener.port)"))
        #expect(accepted.remoteAddress.contains(":") && accepted.remoteAddress != named.remoteAddress)
        await expect(.refused, saying: "cannot listen on") {
            _ = try await ByteListener.listen(host: "127.0.0.1", port: listener.port)
        }
        await expect(.refused, saying: "Connection refused") {
            _ = try await ByteStream.connect(to: Endpoint("127.0.0.1:1"), timeout: .seconds(10))
        }
        await expect(.refused, saying: "cannot look up") {
            _ = try await ByteStream.connect(to: Endpoint("name.invalid:1"), timeout: .seconds(10))
        }
    }

    @Test("thousands of connections leave no descriptors open", .enabled(if: ProcessFigures.areAvailable))
    func descriptors() async throws {
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0)
        defer { listener.close() }
        let before = ProcessFigures.socketCount
        for round in 0..<2000 {
            let client = try await ByteStream.connect(to: listener.endpoint(), timeout: .seconds(10))
            let server = try await listener.accept()
            try await server.write([1])
            #expect(try await client.read() == [1])
            // Every other one is only dropped.
            if round % 2 == 0 { client.close() }
        }
        try await eventually("all are closed") { ProcessFigures.socketCount <= before + 2 }
    }
}

/// Expects an error of this reason.
func expect(
    _ reason: ByteStreamError.Reason,
    saying text: String = "",
    _ body: () async throws -> Void
) async {
    let error = await #expect(throws: ByteStreamError.self) { try await body() }
    guard let error else { return }
    #expect(error.reason == reason && (text.isEmpty || error.message.contains(text)), "\(error)")
}

/// The processor time that the loop has used.
@EventLoop
private func loopTime() -> Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}

/// Cancels `body` once it waits.
private func expectCancellation(_ body: @escaping @Sendable () async throws -> Void) async {
    let task = Task { await expect(.cancelled) { try await body() } }
    try? await Task.sleep(for: .milliseconds(20))
    task.cancel()
    await task.value
}
