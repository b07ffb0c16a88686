// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags

/// The task of the program.
struct Arguments: Sendable {
    enum Command: Sendable {
        case run([Example])
        case list
        case help
    }

    var command = Command.run(Example.all)
    var nodeID = "node-1"
    /// How etcd is reached; without endpoints for a private one.
    var connection = ConnectionFlags()

    static let help = """
        Runs the examples of EtcdKit and EtcdPatterns.

        USAGE: examples [--example=NAME] [--endpoints=HOST:PORT[,HOST:PORT…]] [--node-id=ID]

          --example NAME          one of the examples below, or "all" (the default)
          --endpoints LIST        the members of an etcd cluster, separated by commas;
                                  without it, a private etcd is started and removed again
          --node-id ID            tells processes apart that run the same example (default: node-1)
          --dial-timeout TIME     for one attempt to connect, such as 500ms or 2s (default: 2s)
          --command-timeout TIME  for one call (default: 5s)
          --cacert FILE           trusts the authorities in this file; this and the next flags switch TLS on
          --cert FILE             presents this certificate …
          --key FILE              … whose key is in this file
          --insecure-skip-tls-verify
                                  accepts any server, whatever its certificate: for experiments only
          --user NAME[:PASSWORD]  authenticates; without a password, asks for it
          --list                  prints the names of the examples
          --help                  prints this

        EXAMPLES:
        \(Example.all.map { "  \($0.name.padded(to: 11)) \($0.summary)" }.joined(separator: "\n"))

        Each value may also follow its flag as the next argument. The exit status is 0 if all examples passed, 1 if one
        failed, and 2 if the arguments make no sense.
        """

    init(_ arguments: some Sequence<String>) throws(UsageError) {
        var reader = FlagReader(arguments)
        while let flag = reader.next() {
            switch flag {
            case "--help", "-h": command = .help
            case "--list": command = .list
            case "--example": command = .run(try Self.examples(named: reader.value()))
            case "--node-id": nodeID = try reader.value()
            default:
                if try connection.take(&reader) { continue }
                throw UsageError("unknown argument \"\(reader.argument)\"; see --help")
            }
        }
        if nodeID.isEmpty { throw UsageError("--node-id must not be empty") }
        try connection.check()
        if connection.tls != nil && connection.endpoints == nil {
            throw UsageError("the flags for TLS need --endpoints")
        }
    }

    private static func examples(named name: String) throws(UsageError) -> [Example] {
        if name == "all" { return Example.all }
        guard let example = Example.all.first(where: { $0.name == name }) else {
            let names = Example.all.map(\.name).joined(separator: ", ")
            throw UsageError("there is no example \"\(name)\"; there are: \(names), all")
        }
        return [example]
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
