// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A repeated check of whether an instance can serve.
///
/// An instance is healthy until ``fall`` checks in a row have failed, and then unhealthy until ``rise`` checks in a row
/// have passed.
public struct HealthCheck: Sendable {
    /// The time between checks; each pause is up to a fifth shorter or longer, so that checks are spread over time.
    public var interval = Duration.seconds(5)
    /// The time limit for a check.
    public var timeout = Duration.seconds(2)
    /// The number of checks in a row that must pass before an unhealthy instance is healthy, at least 1.
    public var rise = 2
    /// The number of checks in a row that must fail before a healthy instance is unhealthy, at least 1.
    public var fall = 3
    private let probe: @Sendable (ServiceInstance, Duration) async throws -> Void

    /// Makes a check of a closure.
    ///
    /// - Parameter probe: Throws if the instance cannot serve. Its task is cancelled after ``timeout``.
    public init(_ probe: @escaping @Sendable (ServiceInstance) async throws -> Void) {
        self.init { instance, _ in try await probe(instance) }
    }

    private init(probe: @escaping @Sendable (ServiceInstance, Duration) async throws -> Void) {
        self.probe = probe
    }

    /// The instance accepts a TCP connection.
    public static let tcp = HealthCheck { instance, timeout in
        _ = try await instance.connect(timeout)
    }

    /// The instance answers a GET request, by HTTP without TLS, with a status from 200 to 299.
    ///
    /// - Parameter path: The path to get, such as `/health`.
    /// - Returns: The check.
    public static func http(_ path: String) -> HealthCheck {
        HealthCheck { instance, timeout in
            let path = path.hasPrefix("/") ? path : "/" + path
            guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw EtcdError(.invalidArgument, "\"\(path)\" is not the path of a URL")
            }
            let request = "GET \(path) HTTP/1.1\r\nHost: \(instance.endpoint)\r\nConnection: close\r\n\r\n"
            let answer = try await instance.answer(to: request, timeout)
            let line = String(decoding: answer.prefix { $0 != 0x0a && $0 != 0x0d }, as: UTF8.self)
            let words = line.split(separator: " ")
            let status = words.dropFirst().first.flatMap { Int($0) } ?? 0
            guard line.hasPrefix("HTTP/1."), (200...299).contains(status) else {
                throw EtcdError(.unavailable, "\(instance.endpoint)\(path) answers \"\(line.prefix(100))\"")
            }
        }
    }

    /// Whether the instance has passed a check.
    func passes(_ instance: ServiceInstance) async -> Bool {
        let passed = try? await withTimeout(timeout.bounded) { () async throws -> Bool? in
            try await probe(instance, timeout)
            return true
        }
        return passed.flatMap { $0 } ?? false
    }

    /// The time until the next check.
    var pause: Duration { max(.milliseconds(1), interval.bounded) * Double.random(in: 0.8...1.2) }
}

extension ServiceInstance {
    fileprivate func connect(_ timeout: Duration) async throws -> ByteStream {
        guard let port = UInt16(exactly: port) else {
            throw EtcdError(.invalidArgument, "\(id): \(self.port) is not a port")
        }
        let endpoint = try Endpoint("http://\(Endpoint.authority(address, port))")
        return try await ByteStream.connect(to: endpoint, timeout: timeout)
    }

    /// The beginning of the answer to `request`, with its first line.
    fileprivate func answer(to request: String, _ timeout: Duration) async throws -> [UInt8] {
        let deadline = ContinuousClock.Instant.after(timeout)
        let stream = try await connect(timeout)
        try await stream.write(Array(request.utf8), deadline: deadline)
        var answer: [UInt8] = []
        while answer.count < 16_384, !answer.contains(0x0a) {
            let bytes = try await stream.read(deadline: deadline)
            if bytes.isEmpty { break }
            answer += bytes
        }
        return answer
    }
}

/// The health of one instance: it changes after several checks in a row with the same result.
struct Health: Sendable, Hashable {
    private(set) var isHealthy = true
    /// The number of checks in a row that contradict ``isHealthy``.
    private var contrary = 0

    /// Notes the outcome of a check.
    ///
    /// - Returns: Whether it has changed the health.
    mutating func note(_ passed: Bool, _ check: HealthCheck) -> Bool {
        if passed == isHealthy {
            contrary = 0
            return false
        }
        contrary += 1
        guard contrary >= (isHealthy ? check.fall : check.rise) else { return false }
        isHealthy = passed
        contrary = 0
        return true
    }
}
