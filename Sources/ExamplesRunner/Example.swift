// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// One of the examples: a name, what it shows, and the code to read.
struct Example: Sendable {
    let name: String
    let summary: String
    /// Processes that run the example have their keys in common; each of them deletes its own.
    var isShared = false
    let run: @Sendable (ExampleContext) async throws -> Void

    /// All examples, in the order in which `all` runs them.
    static let all = [
        lock, discovery, loadBalancer, config, flags, election, leaderTask, transaction, lease, watch, highAvailability,
    ]
}

/// The surroundings of an example.
struct ExampleContext: Sendable {
    let client: EtcdClient
    /// Tells processes apart that run the same example against one etcd.
    let nodeID: String
    /// All keys of the example begin with this; they are deleted before and after it, unless it shares them.
    let prefix: Key

    /// Prints a line, with the node it comes from.
    func say(_ line: String) {
        show("  [\(nodeID)] \(line)")
    }

    /// Fails the example where etcd does not do what the example says.
    func expect(_ condition: Bool, _ what: String) throws {
        if !condition { throw UnexpectedOutcome(description: "expected: \(what)") }
    }
}

struct UnexpectedOutcome: Error, CustomStringConvertible {
    let description: String
}
