// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The work of a worker: `PatternsWorker ROLE ENDPOINT NAME SECONDS`.
struct WorkerOrder: Sendable {
    enum Role: String, Sendable, CaseIterable {
        /// Increments a number under a lock, by guarded transactions.
        case count
        /// The same without the guard.
        case countUnguarded
        /// Takes a lock again and again, and leaves it.
        case contend
    }

    let role: Role
    let endpoint: String
    /// The name that the workers compete for.
    let name: Key
    let timeToLive: Duration

    var arguments: [String] { [role.rawValue, endpoint, "\(name)", "\(timeToLive.components.seconds)"] }

    init(_ role: Role, _ endpoint: String, _ name: Key, timeToLive: Duration) {
        self.role = role
        self.endpoint = endpoint
        self.name = name
        self.timeToLive = timeToLive
    }

    init?(arguments: [String]) {
        guard arguments.count == 4, let role = Role(rawValue: arguments[0]), let seconds = Int64(arguments[3]) else {
            return nil
        }
        self.init(role, arguments[1], Key(arguments[2]), timeToLive: .seconds(seconds))
    }
}
