// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// How the addresses of one name are tried.
@Suite("AddressRace", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct AddressRaceTests {
    /// A listener that never answers, because its queue is full and no connection is accepted.
    @EventLoop
    private final class Blackhole {
        let address: SocketAddress
        private let listener: Socket
        private var fillers: [Int32] = []

        init() throws {
            listener = try Socket.listening(on: loopback(port: 0))
            address = try loopback(port: listener.localPort())
            // The queue takes 128 connections, and some systems a few more.
            for _ in 0..<150 {
                let filler = try Platform.makeStreamSocket(family: address.family)
                fillers.append(filler)
                try Platform.connect(filler, to: address)
            }
        }

        func close() {
            for filler in fillers { Platform.close(filler) }
            fillers = []
        }
    }

    private func dial(_ addresses: [SocketAddress], timeout: Duration = .seconds(5)) async -> Dialer.Outcome {
        guard let endpoint = try? Endpoint("name:1") else { return .failure(ConnectionError(.refused, "no endpoint")) }
        let completion = Completion<Dialer.Outcome>()
        let resolver = HostResolver { _, _ in .success(addresses) }
        let dialer = Dialer(endpoint, .init(timeout: timeout, resolver: resolver)) { completion.complete($0) }
        dialer.start()
        let outcome = await completion.wait { completion.complete(.failure(ConnectionError(.refused, "cancelled"))) }
        return withExtendedLifetime(dialer) { outcome }
    }

    private let closed = Result { try loopback(port: 1) }

    @Test("an address that never answers costs a quarter of a second")
    func blackhole() async throws {
        let hole = try Blackhole()
        let server = try FakeServer { $0.answer() }
        defer {
            hole.close()
            server.stop()
        }
        let start = ContinuousClock.now
        let connection = try await dial([hole.address, loopback(port: server.port)]).get()
        let time = ContinuousClock.now - start
        #expect(connection.isOpen)
        #expect(time >= AddressRace.headStart && time < .seconds(2), "\(time)")
        connection.close(ConnectionError(.closedByUs, "the test is over"))
        // The control: that address alone does not answer.
        guard case .failure(let error) = await dial([hole.address], timeout: .milliseconds(600)) else {
            Issue.record("the black hole answers")
            return
        }
        #expect(error.message.contains("no answer within"))
    }

    @Test("an address that refuses costs no time; the error lists all answers if no address works")
    func refusal() async throws {
        let server = try FakeServer { $0.answer() }
        let web = try FakeServer(.bytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)))
        defer {
            server.stop()
            web.stop()
        }
        let start = ContinuousClock.now
        let connection = try await dial([closed.get(), loopback(port: server.port)]).get()
        #expect(ContinuousClock.now - start < AddressRace.headStart)
        connection.close(ConnectionError(.closedByUs, "the test is over"))
        let outcome = await dial([try closed.get(), try loopback(port: web.port)])
        guard case .failure(let error) = outcome else {
            Issue.record("there is a connection")
            return
        }
        #expect(error.message.contains("127.0.0.1:1: connect: Connection refused, 127.0.0.1:\(web.port): the server "))
    }

    @Test("when the first connected address does not work, the others get their turn, also those under way")
    func uselessWinner() async throws {
        let hole = try Blackhole()
        let rude = try FakeServer(.hangUp)
        let good = try FakeServer { $0.answer() }
        defer {
            hole.close()
            rude.stop()
            good.stop()
        }
        let addresses = [hole.address, try loopback(port: rude.port), try loopback(port: good.port)]
        let connection = try await dial(addresses).get()
        #expect(rude.connections.count == 1 && good.connections.count == 1)
        connection.close(ConnectionError(.closedByUs, "the test is over"))
    }

    @Test("all addresses share one deadline, and the error lists their answers")
    func timeout() async throws {
        let hole = try Blackhole()
        defer { hole.close() }
        let start = ContinuousClock.now
        let outcome = await dial([try closed.get(), hole.address], timeout: .milliseconds(400))
        #expect(ContinuousClock.now - start < .seconds(2))
        guard case .failure(let error) = outcome else {
            Issue.record("there is a connection")
            return
        }
        #expect(error.message.contains("no answer within") && error.message.contains("Connection refused"))
    }

    @Test("a name is looked up anew for each attempt (etcd#12142)")
    func changedAddress() async throws {
        let servers = try [FakeServer { $0.answer() }, FakeServer { $0.answer() }]
        defer { for server in servers { server.stop() } }
        for (number, server) in servers.enumerated() {
            let connection = try await dial([loopback(port: server.port)]).get()
            #expect(servers.map(\.connections.count) == (number == 0 ? [1, 0] : [1, 1]))
            connection.close(ConnectionError(.closedByUs, "the test is over"))
        }
    }

    @Test("the error says that there was no address")
    func none() async {
        guard case .failure(let error) = await dial([]) else {
            Issue.record("there is a connection")
            return
        }
        #expect(error.message == "the name has no address")
    }

    @Test("the address families take turns, beginning with that of the first address")
    func alternation() throws {
        func address(_ text: String) throws -> SocketAddress {
            try #require(try? Platform.addresses(of: text, port: 1, numeric: true).get().first)
        }
        func order(_ texts: [String]) throws -> [String?] {
            AddressRace.alternating(try texts.map(address)).map { Platform.text(of: $0) }
        }
        #expect(
            try order(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"])
                == ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]
        )
        #expect(try order(["1.1.1.1", "::1", "::2"]) == ["1.1.1.1:1", "[::1]:1", "[::2]:1"])
        #expect(try order(["1.1.1.1"]) == ["1.1.1.1:1"])
        #expect(try order([]) == [])
    }
}
