// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The version of an etcd, for tests whose outcome depends on it: they ask the server for it.
struct ServerVersion: Comparable {
    let major: Int
    let minor: Int

    init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
}

extension EtcdClient {
    /// The version of one of the members, which all have the same in the tests.
    var serverVersion: ServerVersion {
        get async throws {
            let text = try await call(Wire.status, Wire.EmptyRequest()).version
            let numbers = text.split(separator: ".").prefix(2).compactMap { Int($0) }
            guard numbers.count == 2 else { throw EtcdError(.protocolViolation, "\(text) is no version") }
            return ServerVersion(numbers[0], numbers[1])
        }
    }
}
