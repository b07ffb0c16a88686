// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// What the program was asked to do.
struct Arguments: Sendable {
    enum Command: Sendable {
        case run([Example])
        case list
        case help
    }

    var command = Command.run(Example.all)
    /// Where etcd is; nil for a private one.
    var endpoints: [Endpoint]?
    var nodeID = "node-1"
    var dialTimeout = Duration.seconds(2)
    var commandTimeout = Duration.seconds(5)
    /// How to use TLS, if any of its flags was given.
    var tls: TLSConfiguration?
    /// Who the program is; without a password if that is to be asked for.
    var user: (name: String, password: String?)?

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
        var rest = Array(arguments)[...]
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let flag = parts[0]
            func value() throws(UsageError) -> String {
                if parts.count == 2 { return parts[1] }
                guard let next = rest.popFirst() else { throw UsageError("\(flag) needs a value") }
                return next
            }
            switch flag {
            case "--help", "-h": command = .help
            case "--list": command = .list
            case "--example": command = .run(try Self.examples(named: value()))
            case "--endpoints": endpoints = try Self.endpoints(value())
            case "--node-id": nodeID = try value()
            case "--dial-timeout": dialTimeout = try Self.duration(value(), for: flag)
            case "--command-timeout": commandTimeout = try Self.duration(value(), for: flag)
            case "--cacert": changeTLS(\.trustedCertificates, to: .file(try value()))
            case "--cert": changeTLS(\.certificateChain, to: .file(try value()))
            case "--key": changeTLS(\.privateKey, to: .file(try value()))
            case "--insecure-skip-tls-verify":
                changeTLS(\.dangerouslySkipsVerification, to: try Self.bool(parts.dropFirst().first, for: flag))
            case "--user": user = try Self.user(value(), for: flag)
            default:
                throw UsageError("unknown argument \"\(argument)\"; see --help")
            }
        }
        if nodeID.isEmpty { throw UsageError("--node-id must not be empty") }
        if tls?.privateKey != nil && tls?.certificateChain == nil { throw UsageError("--key needs --cert") }
        if tls != nil && endpoints == nil { throw UsageError("the flags for TLS need --endpoints") }
    }

    private mutating func changeTLS<Value>(_ setting: WritableKeyPath<TLSConfiguration, Value>, to value: Value) {
        var configuration = tls ?? TLSConfiguration()
        configuration[keyPath: setting] = value
        tls = configuration
    }

    private static func user(_ text: String, for flag: String) throws(UsageError) -> (String, String?) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts[0].isEmpty { throw UsageError("\(flag): the name is empty") }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    /// A flag without a value is true.
    private static func bool(_ text: String?, for flag: String) throws(UsageError) -> Bool {
        guard let text else { return true }
        guard let value = Bool(text) else { throw UsageError("\(flag): \"\(text)\" is neither true nor false") }
        return value
    }

    private static func examples(named name: String) throws(UsageError) -> [Example] {
        if name == "all" { return Example.all }
        guard let example = Example.all.first(where: { $0.name == name }) else {
            let names = Example.all.map(\.name).joined(separator: ", ")
            throw UsageError("there is no example \"\(name)\"; there are: \(names), all")
        }
        return [example]
    }

    private static func endpoints(_ text: String) throws(UsageError) -> [Endpoint] {
        do {
            return try Endpoint.list(text)
        } catch {
            throw UsageError("--endpoints: \(error.message)")
        }
    }

    /// Reads a time as etcdctl takes it: a number with `ms`, `s` or `m`.
    private static func duration(_ text: String, for flag: String) throws(UsageError) -> Duration {
        let units: [(String, Double)] = [("ms", 0.001), ("s", 1), ("m", 60)]
        for (unit, seconds) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number > 0, number < 1_000_000 else { break }
            return .seconds(number * seconds)
        }
        throw UsageError("\(flag): \"\(text)\" is not a time; write for example 500ms, 5s or 1m")
    }
}

struct UsageError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
