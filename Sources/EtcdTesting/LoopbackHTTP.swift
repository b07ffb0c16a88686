// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A minimal HTTP client for the JSON gateway of an etcd on this machine.
enum LoopbackHTTP {
    struct Response {
        /// The body as text.
        var text: String { String(decoding: body, as: UTF8.self) }

        let status: Int
        let body: Data
    }

    /// Posts a JSON body to 127.0.0.1, or gets a page without a body, without blocking a thread.
    ///
    /// Throws `notReady` if there is no complete answer before the deadline, or `CancellationError`.
    static func request(
        _ path: String,
        posting json: String? = nil,
        port: UInt16,
        deadline: ContinuousClock.Instant
    ) async throws -> Response {
        let socket = try POSIX.tcpSocket()
        defer { close(socket) }
        _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)

        let connected = POSIX.withLoopbackAddress(port: port) { connect(socket, $0, $1) }.result
        guard connected == 0 || errno == EINPROGRESS else { throw noAnswer(errno) }

        // HTTP/1.0: the server sends the body in one piece, and closes the connection.
        let length = json.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        let head = "\(json == nil ? "GET" : "POST") \(path) HTTP/1.0\r\nHost: 127.0.0.1:\(port)\r\n\(length)\r\n"
        var request = ArraySlice((head + (json ?? "")).utf8)
        while !request.isEmpty {
            let count = POSIX.write(request, to: socket)
            if count > 0 {
                request = request.dropFirst(count)
            } else {
                try await waitUnlessBroken(deadline)
            }
        }

        var answer = Data()
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count > 0 {
                answer.append(contentsOf: buffer[..<count])
            } else if count == 0 {
                return try parse(answer)
            } else {
                try await waitUnlessBroken(deadline)
            }
        }
    }

    private static func waitUnlessBroken(_ deadline: ContinuousClock.Instant) async throws {
        let status = errno
        guard [EAGAIN, EWOULDBLOCK, EINTR, ENOTCONN].contains(status) else { throw noAnswer(status) }
        try Task.checkCancellation()
        guard ContinuousClock.now < deadline else { throw noAnswer(ETIMEDOUT) }
        await pause(.milliseconds(1))
    }

    private static func parse(_ answer: Data) throws -> Response {
        guard
            let end = answer.range(of: Data("\r\n\r\n".utf8)),
            let status = String(decoding: answer[..<end.lowerBound], as: UTF8.self)
                .split(separator: " ", maxSplits: 2).dropFirst().first.flatMap({ Int($0) })
        else { throw noAnswer(EPROTO) }
        return Response(status: status, body: answer[end.upperBound...])
    }

    private static func noAnswer(_ status: CInt) -> EtcdTestingError {
        EtcdTestingError.system("no answer", status, code: .notReady)
    }
}
