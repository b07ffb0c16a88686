// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

@Suite("Endpoint: discovery by DNS SRV", .unit, .timeLimit(.minutes(1)))
struct DiscoveryTests {
    private struct Answer {
        var bytes: [UInt8] = []

        mutating func append16(_ value: Int) {
            bytes += [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
        }

        mutating func appendName(_ name: String) {
            for label in name.split(separator: ".") { bytes += [UInt8(label.utf8.count)] + label.utf8 }
            bytes.append(0)
        }

        /// The answer to a question for `name`, with these records; targets are written in full.
        init(id: Int = 1, _ name: String, _ records: [SRVRecord], flags: Int = 0x8180) {
            append16(id)
            append16(flags)
            append16(1)
            append16(records.count)
            append16(0)
            append16(0)
            appendName(name)
            append16(33)
            append16(1)
            for record in records {
                // The name of the question.
                append16(0xc00c)
                append16(33)
                append16(1)
                append16(0)
                append16(60)
                var data = Answer()
                data.append16(Int(record.priority))
                data.append16(Int(record.weight))
                data.append16(Int(record.port))
                data.appendName(record.target)
                append16(data.bytes.count)
                bytes += data.bytes
            }
        }

        private init() {}
    }

    private static let records = [
        SRVRecord(priority: 20, weight: 0, port: 2379, target: "c.example"),
        SRVRecord(priority: 10, weight: 5, port: 2380, target: "a.example"),
        SRVRecord(priority: 10, weight: 0, port: 2381, target: "b.example"),
    ]

    private func resolver(_ answers: [String: [SRVRecord]]) -> ServiceResolver {
        ServiceResolver { name in
            guard let records = answers[name] else {
                return .failure(SocketAddress.LookupError(host: name, reason: "none", isUnknown: true))
            }
            return .success(Answer(name, records).bytes)
        }
    }

    @Test("endpoints come from both services, secure ones first, in the order of their priorities")
    func order() async throws {
        let plain = SRVRecord(priority: 1, weight: 1, port: 1, target: "plain.example")
        let answers = ["_etcd-client-ssl._tcp.example": Self.records, "_etcd-client._tcp.example": [plain]]
        let found = try await Endpoint.discover(domain: "example", by: resolver(answers)).map(\.description)
        #expect(Set(found[..<2]) == ["https://a.example:2380", "https://b.example:2381"])
        #expect(found[2...] == ["https://c.example:2379", "plain.example:1"])
        let secure = try await Endpoint.discover(domain: "example", secureOnly: true, by: resolver(answers))
        #expect(secure.count == 3)
    }

    @Test("the name of the service follows a hyphen, as in etcdctl --discovery-srv-name")
    func serviceName() async throws {
        let answers = ["_etcd-client-blue._tcp.example": Self.records]
        let found = try await Endpoint.discover(domain: "example", serviceName: "blue", by: resolver(answers))
        #expect(found.count == 3 && found.allSatisfy { $0.scheme == .http })
    }

    @Test("missing records, an unavailable name server, an invalid name and a timeout have errors of their own")
    func failures() async throws {
        await expectError(.misconfigured) { try await Endpoint.discover(domain: "example", by: resolver([:])) }
        let down = ServiceResolver { .failure(SocketAddress.LookupError(host: $0, reason: "down", isUnknown: false)) }
        await expectError(.unavailable) { try await Endpoint.discover(domain: "example", by: down) }
        let broken = ServiceResolver { _ in .success([1, 2, 3]) }
        await expectError(.unavailable) { try await Endpoint.discover(domain: "example", by: broken) }
        for domain in ["", "a..b", "a b", ".", String(repeating: "a.", count: 200)] {
            await expectError(.invalidArgument) { try await Endpoint.discover(domain: domain, by: resolver([:])) }
        }
        let slow = ServiceResolver { _ in
            Thread.sleep(forTimeInterval: 1)
            return .success([])
        }
        await expectError(.deadlineExceeded) {
            try await Endpoint.discover(domain: "example", timeout: .milliseconds(50), by: slow)
        }
        let task = Task { try await Endpoint.discover(domain: "example2", by: slow) }
        task.cancel()
        await expectError(.cancelled) { try await task.value }
    }

    @Test("a failure of the name server for the secure service does not count as a lack of records")
    func noDowngrade() async throws {
        let resolver = ServiceResolver { name in
            if name.contains("-ssl") {
                return .failure(SocketAddress.LookupError(host: name, reason: "down", isUnknown: false))
            }
            return .success(Answer(name, Self.records).bytes)
        }
        await expectError(.unavailable) { try await Endpoint.discover(domain: "example", by: resolver) }
    }

    @Test("a failure of the name server for the plaintext service does not take the secure endpoints away")
    func secureEndpointsOnly() async throws {
        let resolver = ServiceResolver { name in
            if !name.contains("-ssl") {
                return .failure(SocketAddress.LookupError(host: name, reason: "down", isUnknown: false))
            }
            return .success(Answer(name, Self.records).bytes)
        }
        let found = try await Endpoint.discover(domain: "example", by: resolver)
        #expect(found.count == 3 && found.allSatisfy { $0.scheme == .https })
    }

    @Test("records that cannot be used are left out")
    func uselessRecords() throws {
        let records = [
            SRVRecord(priority: 0, weight: 0, port: 0, target: "a.example"),
            SRVRecord(priority: 0, weight: 0, port: 1, target: ""),
            SRVRecord(priority: 0, weight: 0, port: 1, target: "a/b.example"),
            SRVRecord(priority: 0, weight: 0, port: 1, target: "A.example"),
        ]
        let read = try #require(SRVRecord.records(in: Answer("s.example", records).bytes))
        #expect(read.map(\.target) == ["a.example"])
        #expect(SRVRecord.records(in: Answer("s.example", records, flags: 0x8183).bytes) == nil)
        #expect(SRVRecord.records(in: Answer("s.example", records, flags: 0).bytes) == nil)
    }

    @Test("hostile answers lead to records or to none, and never to a loop or a crash")
    func hostileAnswers() throws {
        let valid = Answer("s.example", Self.records).bytes
        #expect(SRVRecord.records(in: valid) == Self.records)
        for count in 0..<valid.count { #expect(SRVRecord.records(in: Array(valid[..<count])) == nil, "\(count)") }
        // A name that leads to itself.
        var loop = Array(valid[..<12])
        loop += [0xc0, 12, 0, 33, 0, 1]
        #expect(SRVRecord.records(in: loop) == nil)
        var random = SplitMix64(seed: 5)
        for _ in 0..<20_000 {
            var bytes = valid
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            for record in SRVRecord.records(in: bytes) ?? [] { #expect(record.target.utf8.count <= 254) }
        }
    }

    @Test("the first record of a priority is chosen at random by weight")
    func weights() {
        var random = SplitMix64(seed: 1)
        var first = 0
        let records = [
            SRVRecord(priority: 1, weight: 89, port: 1, target: "heavy"),
            SRVRecord(priority: 1, weight: 9, port: 1, target: "light"),
        ]
        for _ in 0..<1000 where SRVRecord.ordered(records, using: &random)[0].target == "heavy" { first += 1 }
        #expect((850..<950).contains(first))
    }

    @Test("the resolver of the C library asks a name server and returns its answer")
    func nameServer() async throws {
        let server = try NameServer { id, name in
            name == "_etcd-client._tcp.example.test"
                ? Answer(id: id, name, Self.records).bytes : Answer(id: id, name, [], flags: 0x8183).bytes
        }
        defer { server.stop() }
        let port = server.port
        let resolver = ServiceResolver { Platform.serviceAnswer(for: $0, port: port) }
        let found = try await Endpoint.discover(domain: "example.test", by: resolver)
        #expect(found.map(\.host).sorted() == ["a.example", "b.example", "c.example"])
        await expectError(.misconfigured) { try await Endpoint.discover(domain: "other.test", by: resolver) }
    }
}

/// A name server on a UDP port of this machine.
private final class NameServer: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init(_ answer: @escaping @Sendable (_ id: Int, _ name: String) -> [UInt8]) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = bind(descriptor, pointer, length)
                _ = getsockname(descriptor, pointer, &length)
            }
        }
        self.descriptor = descriptor
        port = UInt16(bigEndian: address.sin_port)
        let thread = Thread {
            var buffer = [UInt8](repeating: 0, count: 1500)
            while true {
                var peer = sockaddr_storage()
                var peerLength = socklen_t(MemoryLayout<sockaddr_storage>.size)
                let count = withUnsafeMutablePointer(to: &peer) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                        recvfrom(descriptor, &buffer, buffer.count, 0, pointer, &peerLength)
                    }
                }
                // A packet without content ends it.
                guard count > 12 else {
                    close(descriptor)
                    return
                }
                var labels: [String] = []
                var index = 12
                while index < count, buffer[index] > 0, index + Int(buffer[index]) < count {
                    labels.append(String(decoding: buffer[(index + 1)...(index + Int(buffer[index]))], as: UTF8.self))
                    index += Int(buffer[index]) + 1
                }
                let bytes = answer(Int(buffer[0]) << 8 | Int(buffer[1]), labels.joined(separator: "."))
                _ = withUnsafePointer(to: &peer) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                        sendto(descriptor, bytes, bytes.count, 0, pointer, peerLength)
                    }
                }
            }
        }
        thread.start()
    }

    func stop() {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = sendto(descriptor, [0], 1, 0, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
