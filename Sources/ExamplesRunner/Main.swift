// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdTesting
import Foundation

@main
struct Main {
    static func main() async {
        do throws(any Error) {
            let arguments = try Arguments(CommandLine.arguments.dropFirst())
            switch arguments.command {
            case .help: show(Arguments.help)
            case .list: for example in Example.all { show(example.name) }
            case .run(let examples): exit(try await run(examples, arguments) ? 0 : 1)
            }
        } catch let error as UsageError {
            fail("\(error)", status: 2)
        } catch let error as EtcdError {
            fail(error.message, status: 1)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data("examples: \(message)\n".utf8))
        exit(status)
    }

    /// Runs examples against the etcd that was named, or a private one.
    private static func run(_ examples: [Example], _ arguments: Arguments) async throws -> Bool {
        if let endpoints = arguments.connection.endpoints { return try await run(examples, arguments, on: endpoints) }
        show("Starting a private etcd …")
        return try await withEtcdCluster { cluster in
            try await run(examples, arguments, on: Endpoint.list(cluster.endpoints.joined(separator: ",")))
        }
    }

    private static func run(_ examples: [Example], _ arguments: Arguments, on endpoints: [Endpoint]) async throws
        -> Bool
    {
        let configuration = try arguments.connection.configuration(for: endpoints)
        return try await withEtcdClient(configuration) { client in
            // So that an etcd which is not there is one line instead of a failure of each example.
            _ = try await client.get("examples/")
            show("Using etcd at \(endpoints.map(\.description).joined(separator: ", "))\n")
            var passed: [(name: String, failure: String?)] = []
            for example in examples {
                passed.append((example.name, await run(example, arguments.nodeID, client)))
            }
            for (name, failure) in passed {
                show(failure.map { "FAIL  \(name): \($0)" } ?? "PASS  \(name)")
            }
            let failed = passed.count { $0.failure != nil }
            show("\(passed.count - failed) passed, \(failed) failed")
            return failed == 0
        }
    }

    /// Runs one example and returns why it failed, or nil.
    private static func run(_ example: Example, _ nodeID: String, _ client: EtcdClient) async -> String? {
        show("== \(example.name): \(example.summary)")
        let place = example.isShared ? "shared" : nodeID
        let context = ExampleContext(client: client, nodeID: nodeID, prefix: "examples/\(example.name)/\(place)/")
        var failure: String?
        do {
            if !example.isShared { try await client.delete(.prefix(context.prefix)) }
            try await example.run(context)
        } catch {
            failure = "\(error)"
        }
        do {
            if !example.isShared { try await client.delete(.prefix(context.prefix)) }
        } catch {
            failure = failure ?? "its keys could not be deleted: \(error)"
        }
        show("")
        return failure
    }
}

/// Prints a line at once, also when the output is a pipe.
func show(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
