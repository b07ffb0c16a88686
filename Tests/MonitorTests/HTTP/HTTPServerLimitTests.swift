// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.measurement) struct HTTPServerLimitTests {
    @Test func `a slow head or body ends with 408, and an idle connection without an answer`() async throws {
        var options = HTTPServer.Options()
        options.headerTimeout = .milliseconds(300)
        options.bodyTimeout = .milliseconds(300)
        options.idleTimeout = .milliseconds(300)
        try await withServer(options) { port in
            for start in ["GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"] {
                #expect(try await HTTPWire.exchange(port, start).hasPrefix("HTTP/1.1 408 Request Timeout\r\n"))
            }
            #expect(try await HTTPWire.exchange(port, "").isEmpty)
            let idle = try await HTTPWire.exchange(port, HTTPWire.get)
            #expect(idle.hasPrefix("HTTP/1.1 200 ") && idle.hasSuffix("GET /x \n"))
        }
        // The control: with more time the same pieces are a request.
        try await withServer { port in
            let wire = try await HTTPWire(port: port)
            for piece in ["GET / HT", "TP/1.1\r\nHost: a\r\nConnection: close\r\n", "\r\n"] {
                try await Task.sleep(for: .milliseconds(150))
                try await wire.send(piece)
            }
            #expect(try await wire.readAll().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test(arguments: [true, false])
    func `a client that does not read loses its connection`(isStream: Bool) async throws {
        var options = HTTPServer.Options()
        options.writeTimeout = .seconds(1)
        options.maximumConnections = 1
        let megabyte = [UInt8](repeating: 0x61, count: 1 << 20)
        let respond = { @Sendable (request: HTTPRequest) async -> HTTPResponse in
            if request.path == "/x" { return await echo(request) }
            if !isStream { return HTTPResponse(200, .bytes([UInt8](repeating: 0x61, count: 32 << 20))) }
            let (parts, part) = AsyncStream<[UInt8]>.makeStream()
            for _ in 0..<32 { part.yield(megabyte) }
            part.finish()
            return HTTPResponse(200, .stream(parts))
        }
        try await withServer(options, respond: respond) { port in
            let slow = try await HTTPWire(port: port)
            try await slow.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try await slow.stream.read(upTo: 1, deadline: .after(.seconds(10)))
            #expect(try await HTTPWire.exchange(port, HTTPWire.last).hasPrefix("HTTP/1.1 503 "))
            // Its place becomes free although it is still there.
            #expect(await eventually { await HTTPWire.isServed(port) })
            withExtendedLifetime(slow) {}
        }
        // The control: one that reads gets all of it, however long it takes.
        try await withServer(options, respond: respond) { port in
            let fast = try await HTTPWire(port: port)
            try await fast.send("GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            var count = 0
            while true {
                let more = try await fast.stream.read(deadline: .after(.seconds(10)))
                if more.isEmpty { break }
                count += more.count
            }
            #expect(count >= 32 << 20)
        }
    }

    @Test func `a client that goes away ends its stream`() async throws {
        let (endings, ended) = AsyncStream<Void>.makeStream()
        let respond = { @Sendable (_: HTTPRequest) in
            HTTPResponse(
                200,
                .stream(
                    AsyncStream { parts in
                        parts.yield(Array("hello".utf8))
                        parts.onTermination = { _ in ended.yield() }
                    }
                )
            )
        }
        try await withServer(respond: respond) { port in
            let wire = try await HTTPWire(port: port)
            try await wire.send(HTTPWire.get)
            _ = try await wire.read(until: "5\r\nhello\r\n")
            wire.stream.close()
            var iterator = endings.makeAsyncIterator()
            #expect(await iterator.next() != nil)
        }
    }

    @Test func `a stop lets a running request finish, and ends endless streams`() async throws {
        let (starts, started) = AsyncStream<Void>.makeStream()
        let (goes, go) = AsyncStream<Void>.makeStream()
        let wasCancelled = Lock(false)
        let respond = { @Sendable (request: HTTPRequest) async -> HTTPResponse in
            if request.path == "/stream" { return HTTPResponse(200, .stream(AsyncStream { $0.yield([0x61]) })) }
            if request.path == "/x" { return await echo(request) }
            started.yield()
            for await _ in goes { break }
            wasCancelled.withLock { $0 = Task.isCancelled }
            return await echo(request)
        }
        var wires: [HTTPWire] = []
        let (ports, listening) = AsyncStream<UInt16>.makeStream()
        let running = Task { try await HTTPServer(respond: respond).run { listening.yield($0) } }
        for await port in ports {
            for _ in 0..<3 { wires.append(try await HTTPWire(port: port)) }
            break
        }
        let (busy, idle, stream) = (wires[0], wires[1], wires[2])
        try await idle.send(HTTPWire.get)
        _ = try await idle.read(until: "GET /x \n")
        try await stream.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = try await stream.read(until: "1\r\na\r\n")
        try await busy.send("GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
        for await _ in starts { break }
        running.cancel()
        // Both end while the other request still runs, and the stream's end does not look like that of a whole body.
        #expect(try await idle.readAll().isEmpty)
        #expect((try? await stream.readAll())?.contains("0\r\n") != true)
        go.yield()
        let answer = try await busy.readAll()
        #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("GET /busy \n"))
        try await running.value
        #expect(!wasCancelled.withLock { $0 })
    }

    @Test func `a stop does not wait longer than the drain time`() async throws {
        var options = HTTPServer.Options()
        options.drainTimeout = .milliseconds(100)
        let (starts, started) = AsyncStream<Void>.makeStream()
        let respond = { @Sendable (_: HTTPRequest) async -> HTTPResponse in
            started.yield()
            try? await Task.sleep(for: .seconds(3600))
            return HTTPResponse(200)
        }
        let (ports, listening) = AsyncStream<UInt16>.makeStream()
        let running = Task { try await HTTPServer(options, respond: respond).run { listening.yield($0) } }
        for await port in ports {
            let wire = try await HTTPWire(port: port)
            try await wire.send(HTTPWire.get)
            for await _ in starts { break }
            running.cancel()
            #expect((try? await wire.readAll())?.isEmpty != false)
            break
        }
        try await running.value
    }

    @Test func `a server survives a thousand connections and hostile ones, and keeps no sockets`() async throws {
        let before = ProcessFigures.socketCount
        var options = HTTPServer.Options()
        options.headerTimeout = .seconds(5)
        try await withServer(options) { port in
            var statuses: [String: Int] = [:]
            let wires = await withTaskGroup(of: (HTTPWire, String)?.self) { group in
                for _ in 0..<1000 {
                    group.addTask {
                        guard let wire = try? await HTTPWire(port: port), (try? await wire.send(HTTPWire.get)) != nil
                        else { return nil }
                        let answer = try? await wire.stream.read(deadline: .after(.seconds(10)))
                        return (wire, String(decoding: answer ?? [], as: UTF8.self))
                    }
                }
                var wires: [HTTPWire] = []
                for await (wire, answer) in group.compactMap(\.self) {
                    statuses[String(answer.dropFirst(9).prefix(3)), default: 0] += 1
                    wires.append(wire)
                }
                return wires
            }
            // All stay connected, so that no place becomes free.
            #expect(statuses["200"] == 256, "\(statuses)")
            #expect(try #require(statuses["503"]) >= 100, "\(statuses)")
            for wire in wires { wire.stream.close() }
            #expect(await eventually { await HTTPWire.isServed(port) })

            var chance = SplitMix64(seed: 4)
            for _ in 0..<200 {
                let sample = HTTPSamples.requests[Int.random(in: HTTPSamples.requests.indices, using: &chance)]
                var bytes = Array(sample.utf8)
                for _ in 0..<Int.random(in: 1...4, using: &chance) {
                    let place = Int.random(in: bytes.indices, using: &chance)
                    bytes[place] = UInt8.random(in: 0...255, using: &chance)
                }
                let wire = try await HTTPWire(port: port)
                try await wire.stream.write(bytes)
                // Some hang up in the middle, some close one half, some wait for an answer.
                if Bool.random(using: &chance) {
                    try? await wire.stream.shutdownWrites()
                    if Bool.random(using: &chance) { _ = try? await wire.readAll() }
                }
                wire.stream.close()
            }
            #expect(try await HTTPWire.exchange(port, HTTPWire.last).hasPrefix("HTTP/1.1 200 "))
        }
        #expect(await eventually { ProcessFigures.socketCount <= before + 2 })
    }
}
