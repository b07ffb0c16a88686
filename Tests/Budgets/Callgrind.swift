// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation

/// Runs this program under callgrind, which counts the instructions of its sections.
///
/// etcd is started here and not there, since a process under valgrind cannot reliably start another.
enum Callgrind {
    static let command = "sections"

    /// Prints the instructions of all sections.
    ///
    /// - Parameter folder: Has a copy of this program without debugging information, which not every valgrind can read,
    ///   and room for what callgrind writes.
    /// - Throws: ``Failure`` where valgrind fails.
    static func countInstructions(in folder: String) async throws {
        try await withEtcdCluster { cluster in
            let outcome = try await ChildProcess.run(
                [
                    "valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=\(folder)/counts",
                    "--dump-before=end_measured_section", "\(folder)/Budgets", command, cluster.endpoints[0],
                ],
                environment: ProcessInfo.processInfo.environment,
                input: [],
                timeout: .seconds(120)
            )
            let sections = String(decoding: outcome.output, as: UTF8.self).split(separator: "\n")
            guard outcome.status == 0, !sections.isEmpty else {
                throw Failure(description: "valgrind failed:\n\(String(decoding: outcome.errors, as: UTF8.self))")
            }
            for (index, section) in sections.enumerated() {
                let parts = section.split(separator: "\t")
                guard parts.count == 2, let operations = Double(parts[0]) else {
                    throw Failure(description: "no section: \(section)")
                }
                // Every second file is of the time before a section.
                let instructions = try total(in: "\(folder)/counts.\(2 * index + 2)")
                print("instructions\t\(String(format: "%.0f", instructions / operations))\t\(parts[1])")
            }
        }
    }

    /// The programs that run under callgrind.
    static func runSections(_ arguments: [String]) async throws {
        guard arguments.count == 2 else { throw Failure(description: "sections need an endpoint") }
        try await Codec.countInstructions()
        try await ServerScript.countInstructions()
        try await withEtcdClient(endpoints: arguments[1]) { try await Calls.countInstructions($0) }
    }

    private static func total(in file: String) throws -> Double {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let line = text.split(separator: "\n").last { $0.hasPrefix("totals: ") }
        guard let line, let count = Double(line.dropFirst("totals: ".count)) else {
            throw Failure(description: "callgrind wrote no total into \(file)")
        }
        return count
    }
}
