// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import Testing

@Suite("Flags of the programs", .unit)
struct FlagTests {
    @Test("a value is attached to its flag or follows it")
    func values() throws {
        var reader = FlagReader(["--a=1", "--b", "2", "--c=", "--d==x", "--e", "--f", "--g"])
        var found: [String] = []
        while let flag = reader.next() {
            found.append("\(flag) \(flag == "--g" ? reader.switchValue : try reader.value())")
        }
        #expect(found == ["--a 1", "--b 2", "--c ", "--d =x", "--e --f", "--g true"])
    }

    @Test("a flag that needs a value and ends the line is refused")
    func missingValue() {
        var reader = FlagReader(["--endpoints"])
        _ = reader.next()
        #expect(throws: UsageError.self) { try reader.value() }
        #expect(message { try reader.value() } == "--endpoints needs a value")
    }

    @Test(
        "an unknown flag is refused with the nearest known one, and never with its value",
        arguments: [
            ("--endpoint=secret", "unknown flag --endpoint; did you mean --endpoints?"),
            ("--enpdoints", "unknown flag --enpdoints; did you mean --endpoints?"),
            ("--api-prt=1", "unknown flag --api-prt; did you mean --api-port?"),
            ("--colour", "unknown flag --colour; see --help"),
            ("serve", "\"serve\" is not a flag; see --help"),
        ]
    )
    func unknown(argument: String, expected: String) {
        var reader = FlagReader([argument])
        _ = reader.next()
        #expect(reader.unknown(among: ["--endpoints", "--api-port"]).description == expected)
    }

    @Test(
        "times have a unit",
        arguments: [("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("2m", 120), ("6h", 21600)]
    )
    func times(text: String, seconds: Double) throws {
        #expect(try Duration(text: text) == .seconds(seconds))
    }

    @Test("an invalid time is refused", arguments: ["", "5", "s", "-1s", "0s", "nans", "1e9s", "1d", "1 year"])
    func noTimes(text: String) {
        #expect(
            message { try Duration(text: text) }
                == "\"\(text)\" is not a time; write for example 500ms, 5s or 1m"
        )
    }

    @Test("all flags of connections are taken, and no others")
    func connection() throws {
        var flags = ConnectionFlags()
        var reader = FlagReader([
            "--endpoints=a:1,b", "--cacert", "ca.pem", "--cert=c.pem", "--key=k.pem", "--user=u:p:q",
            "--insecure-skip-tls-verify", "--dial-timeout=3s", "--command-timeout=4s", "--node-id=x",
        ])
        var others: [String] = []
        while let flag = reader.next() { if try !flags.take(&reader) { others.append(flag) } }
        #expect(others == ["--node-id"])
        #expect(flags.endpoints?.map(\.description) == ["a:1", "b:2379"])
        #expect(flags.tls?.trustedCertificates == .file("ca.pem"))
        #expect(flags.tls?.certificateChain == .file("c.pem"))
        #expect(flags.tls?.privateKey == .file("k.pem"))
        #expect(flags.tls?.dangerouslySkipsVerification == true)
        #expect(flags.user?.name == "u")
        #expect(flags.user?.password == "p:q")
        #expect(flags.dialTimeout == .seconds(3))
        #expect(flags.commandTimeout == .seconds(4))
    }

    @Test("flags of connections make a configuration of the client")
    func configuration() throws {
        var flags = ConnectionFlags()
        try flags.set(.user, to: "u:p")
        try flags.set(.dialTimeout, to: "3s")
        try flags.set(.commandTimeout, to: "4s")
        let configuration = try flags.configuration(for: [Endpoint("a")])
        #expect(configuration.endpoints.map(\.description) == ["a:2379"])
        #expect(configuration.credentials == .user("u", password: "p"))
        #expect(configuration.connectTimeout == .seconds(3))
        #expect(configuration.callTimeout == .seconds(4))
        #expect(configuration.tls == nil)
    }

    @Test("a missing certificate file is an error of the configuration")
    func certificates() throws {
        var flags = ConnectionFlags()
        try flags.set(.cacert, to: "/nowhere/ca.pem")
        let error = #expect(throws: EtcdError.self) { try flags.configuration(for: [Endpoint("a")]) }
        #expect(error?.message.contains("/nowhere/ca.pem") == true)
    }

    @Test("a switch can be off")
    func off() throws {
        var flags = ConnectionFlags()
        var reader = FlagReader(["--insecure-skip-tls-verify=false"])
        _ = reader.next()
        #expect(try flags.take(&reader))
        #expect(flags.tls?.dangerouslySkipsVerification == false)
    }

    @Test(
        "invalid flags of connections are refused",
        arguments: [
            ("--endpoints=", "--endpoints: \"\" is not a list of endpoints: it is empty"),
            (
                "--endpoints=https://u:secret@a",
                "--endpoints: an endpoint must not contain a user or a password; see --user"
            ),
            ("--user=:secret", "--user: the name is empty"),
            ("--insecure-skip-tls-verify=maybe", "--insecure-skip-tls-verify: \"maybe\" is neither true nor false"),
            ("--dial-timeout=5", "--dial-timeout: \"5\" is not a time; write for example 500ms, 5s or 1m"),
        ]
    )
    func refusals(argument: String, expected: String) {
        var flags = ConnectionFlags()
        var reader = FlagReader([argument])
        _ = reader.next()
        #expect(message { try flags.take(&reader) } == expected)
    }
}

/// The text of the usage error of `body`; nil if it throws none.
func message<Result>(_ body: () throws -> Result) -> String? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? UsageError)?.description
    }
}
