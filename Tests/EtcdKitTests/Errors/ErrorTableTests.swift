// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

/// Each row of the tables in Docs/Errors.md, held against a scripted server: the errors of a read and of a write, and
/// whether the code says that the write may have been done.
@Suite("EtcdError: the tables of Docs/Errors.md", .unit, .timeLimit(.minutes(2)))
@EventLoop
struct ErrorTableTests {
    private struct Row {
        let cells: [String]
        /// The column "was the write done?".
        var mayBeDone: Bool { cells.last?.hasPrefix("perhaps") == true }
    }

    /// The rows of the table whose heading has `columns` cells and begins with `first`.
    nonisolated private static func table(_ first: String, columns: Int) throws -> [Row] {
        let rows = markdownTable(in: try Repository.text("Docs/Errors.md"), startingWith: first)
        try #require(!rows.isEmpty)
        return rows.dropFirst().map(Row.init).filter { $0.cells.count == columns }
    }

    private func failure(of operation: () async throws(EtcdError) -> Void) async throws -> EtcdError {
        do throws(EtcdError) {
            try await operation()
        } catch {
            return error
        }
        throw Unexpected()
    }

    private struct Unexpected: Error {}

    private func expect(_ row: Row, read: EtcdError, write: EtcdError) {
        let name = row.cells[0]
        #expect("`\(read.code)`" == row.cells[1], "\(name): \(read)")
        #expect("`\(write.code)`" == row.cells[2], "\(name): \(write)")
        #expect(write.code.mayHaveTakenEffect == row.mayBeDone, "\(name)")
        #expect(["no", "perhaps", "perhaps, there"].contains(row.cells[3]), "\(name)")
    }

    /// Makes a read and a write that are not repeated, and that the server does `answer` to.
    private func failures(
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
    ) async throws -> (read: EtcdError, write: EtcdError) {
        let server = try FakeServer(answering: answer)
        defer { server.stop() }
        let client = try server.client {
            $0.retry = .never
            $0.maximumMessageSize = 1000
        }
        let read = try await failure { () throws(EtcdError) in _ = try await client.get("k") }
        let write = try await failure { () throws(EtcdError) in try await client.put("k", "v") }
        await client.close()
        return (read, write)
    }

    // MARK: Answers of etcd

    @Test("every text of etcd has its code, and the documentation says whether the write may have been done")
    func texts() async throws {
        var documented: [String: (code: String, mayBeDone: Bool)] = [:]
        for row in try Self.table("code", columns: 3) {
            for text in row.cells[1].components(separatedBy: "`, `") {
                let text = text.trimmingCharacters(in: CharacterSet(charactersIn: "`"))
                documented[text] = (row.cells[0], row.mayBeDone)
            }
        }
        // Two texts differ in the prefix only.
        #expect(documented.count == EtcdError.Code.texts.count - 1)
        for (text, code) in EtcdError.Code.texts {
            let short = text.hasPrefix("etcdserver: ") ? String(text.dropFirst("etcdserver: ".count)) : text
            let row = try #require(documented[short], "\(text)")
            let failures = try await failures { $0.refuse(.unknown, text) }
            #expect("`\(failures.read.code)`" == row.code && failures.read.code == code, "\(text)")
            #expect(failures.write.code.mayHaveTakenEffect == row.mayBeDone, "\(text): \(failures.write)")
            // Some codes say by themselves that the write may have been done.
            let isSaid = !row.mayBeDone || code.mayHaveTakenEffect
            #expect(failures.write.code == (isSaid ? code : .ambiguous), "\(text)")
            #expect(failures.write.description.contains(text))
        }
    }

    // MARK: Answers of others

    private typealias Script = @EventLoop (HTTP2ServerExchange) -> Void

    private static let answers: [String: Script] = {
        func status(_ code: GRPCStatus.Code, _ text: String = "something else") -> Script {
            { $0.refuse(code, text) }
        }
        func http(_ code: Int) -> Script { { $0.send([(":status", "\(code)")], isLast: true) } }
        func success(_ body: [UInt8], ends: Bool = true) -> Script {
            { exchange in
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                exchange.send(body)
                exchange.end(trailers: ends ? [("grpc-status", "0")] : [("x", "y")])
            }
        }
        return [
            "`UNIMPLEMENTED`": status(.unimplemented, "unknown method Put for service etcdserverpb.KV"),
            "`grpc: received message larger than max`": status(
                .resourceExhausted,
                "grpc: received message larger than max (3000014 vs. 2097152)"
            ),
            "`UNKNOWN` with another text": status(.unknown),
            "`ABORTED` with another text": status(.aborted),
            "`INTERNAL` with another text": status(.internal),
            "`RESOURCE_EXHAUSTED` with another text": status(
                .resourceExhausted,
                "trying to send message larger than max (3000014 vs. 2097152)"
            ),
            "`PERMISSION_DENIED` with another text": status(.permissionDenied),
            "`UNAUTHENTICATED` with another text": status(.unauthenticated),
            "`UNAVAILABLE` with another text": status(.unavailable),
            "`CANCELLED`": status(.cancelled),
            "`DEADLINE_EXCEEDED`": status(.deadlineExceeded),
            "HTTP 403": http(403), "HTTP 404": http(404), "HTTP 500": http(500), "HTTP 503": http(503),
            "`OK` without a message": success([]),
            "`OK` with a malformed message": success(HTTP2ServerExchange.frame([0x0a, 200])),
            "`OK` with a message over `maximumMessageSize`": success(HTTP2ServerExchange.frame(pattern(1001))),
            "an end without a status": success([], ends: false),
        ]
    }()

    @Test("an answer that is not from etcd leaves a write in doubt")
    func strangeAnswers() async throws {
        let foreign = "`OK` from another cluster"
        let rows = try Self.table("answer", columns: 4)
        #expect(Set(rows.map { $0.cells[0] }) == Set(Self.answers.keys).union([foreign]))
        for row in rows {
            if let script = Self.answers[row.cells[0]] {
                let failures = try await failures(answering: script)
                expect(row, read: failures.read, write: failures.write)
            }
        }
        let row = try #require(rows.first { $0.cells[0] == foreign })
        let member = try FakeMember()
        try await FakeMember.with([member]) { client in
            member.onCall = { $0.answer(revision: 5, cluster: 7) }
            _ = try await client.get("k")
            member.onCall = { $0.answer(revision: 5, cluster: 9) }
            let read = try await failure { () throws(EtcdError) in _ = try await client.get("k") }
            let write = try await failure { () throws(EtcdError) in try await client.put("k", "v") }
            expect(row, read: read, write: write)
        }
    }

    // MARK: Calls without an answer

    private func call(_ client: EtcdClient, _ isRead: Bool) async throws -> EtcdError {
        try await failure { () throws(EtcdError) in
            if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
        }
    }

    /// Makes a call that is not repeated, and that meets `trouble` at the server.
    private func meeting(
        _ trouble: @escaping @EventLoop (HTTP2ServerExchange, FakeServer.Connection) -> Void,
        timeout: Duration = .seconds(5),
        _ isRead: Bool
    ) async throws -> EtcdError {
        let server = try FakeServer(
            .http2(.init()) { connection, exchange, event in
                if event == .end { trouble(exchange, connection) }
            }
        )
        defer { server.stop() }
        let client = try server.client { $0.retry = .never }
        let error = try await call(client.with(timeout: timeout), isRead)
        await client.close()
        return error
    }

    /// Makes a call that this side ends when it is at the server.
    private func interrupted(
        _ isRead: Bool,
        _ interrupt: @EventLoop (Task<EtcdError, any Error>, EtcdClient) async -> Void
    ) async throws -> EtcdError {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let client = try server.client()
        let task = Task { try await call(client, isRead) }
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        await interrupt(task, client)
        let error = try await task.value
        await client.close()
        return error
    }

    @Test("a call without an answer may have been done once it was sent")
    func noAnswer() async throws {
        var scripts: [String: @EventLoop (Bool) async throws -> EtcdError] = [:]
        scripts["no connection within the deadline"] = { isRead in
            let server = try FakeServer { _ in }
            let client = try server.client()
            server.stop()
            let error = try await call(client.with(timeout: .milliseconds(300)), isRead)
            await client.close()
            return error
        }
        scripts["the server did not take the call"] = { isRead in
            try await meeting({ exchange, _ in exchange.reset(.refusedStream) }, isRead)
        }
        scripts["a timeout of zero or less"] = { isRead in
            try await meeting({ exchange, _ in exchange.answer() }, timeout: .seconds(-1), isRead)
        }
        scripts["the connection broke"] = { isRead in try await meeting({ _, connection in connection.close() }, isRead)
        }
        scripts["the stream was reset"] = { isRead in
            try await meeting({ exchange, _ in exchange.reset(HTTP2ErrorCode(rawValue: 2)) }, isRead)
        }
        scripts["no answer within the deadline"] = { isRead in
            try await meeting({ _, _ in }, timeout: .milliseconds(300), isRead)
        }
        scripts["the task was cancelled"] = { try await interrupted($0) { task, _ in task.cancel() } }
        scripts["an interceptor refused the call"] = { isRead in
            let server = try FakeServer { $0.answer() }
            defer { server.stop() }
            let client = try server.client { $0.interceptors = [RefusingInterceptor()] }
            let error = try await call(client, isRead)
            await client.close()
            return error
        }
        scripts["the client was closed"] = { try await interrupted($0) { _, client in await client.close() } }

        let rows = try Self.table("event", columns: 4)
        #expect(Set(rows.map { $0.cells[0] }) == Set(scripts.keys))
        for row in rows {
            guard let script = scripts[row.cells[0]] else { continue }
            expect(row, read: try await script(true), write: try await script(false))
        }
    }
}

private struct RefusingInterceptor: CallInterceptor {
    private struct Refusal: Error {}

    func intercept(
        _ call: EtcdClient.Call,
        metadata: CallMetadata,
        next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async throws {
        throw Refusal()
    }
}
