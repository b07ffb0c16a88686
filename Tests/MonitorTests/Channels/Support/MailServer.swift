// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A real SMTP server: Python's `aiosmtpd`, which keeps the mails that it gets.
///
/// It ends when it is stopped, or when this process ends.
final class MailServer: Sendable {
    /// A mail, and how it was delivered.
    struct Message: Sendable, Decodable {
        let sender: String
        let recipients: [String]
        let parameters: [String]
        let heloName: String
        /// It came through TLS.
        let isSecure: Bool
        /// The user that was logged in.
        let user: String?
        let mail: ParsedMail
    }

    /// The settings of a server.
    struct Options: Sendable {
        var security = SMTPChannel.Security.startTLS
        /// The user and the password; nil for no login.
        var login: (user: String, password: String)? = ("etcd", "pässword")
        var mechanisms = ["LOGIN", "PLAIN"]
        var refusedRecipients: [String] = []
        /// How often each recipient is deferred.
        var delays = 0
        /// The recipients that are deferred; nil for all.
        var delayedRecipients: [String]?
        /// The refusal of each mail after its end; nil for none.
        var refusal: String?
        var sizeLimit = 1 << 20
        var takesUTF8 = true
        /// Before TLS it offers a login, and afterwards none.
        var forgetsLogin = false
        /// The names and addresses of its certificate.
        var names = (hosts: ["localhost"], addresses: ["127.0.0.1"])
    }

    static let isInstalled = Python.withMailServer != nil

    let port: UInt16
    /// The TLS of a client that trusts the server.
    let tls: TLSConfiguration
    private let security: SMTPChannel.Security
    private let folder: URL
    private let input: Pipe

    /// Starts a server, and waits until clients can connect.
    init(_ options: Options = Options()) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "mail-server-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        input = Pipe()
        security = options.security
        let authority = try TestCertificateAuthority()
        tls = TLSConfiguration(trustedCertificates: .text(authority.certificate))
        let certificate = try authority.issue("mail", hosts: options.names.hosts, addresses: options.names.addresses)
        try Data((certificate.certificate + certificate.key).utf8).write(to: folder.appending(path: "certificate.pem"))
        let settings: [String: Any] = [
            "security": options.security.rawValue, "user": options.login?.user ?? "",
            "password": options.login?.password ?? "", "mechanisms": options.mechanisms,
            "refused": options.refusedRecipients, "delays": options.delays, "refusal": options.refusal ?? "",
            "sizeLimit": options.sizeLimit, "takesUTF8": options.takesUTF8, "forgetsLogin": options.forgetsLogin,
            "delayed": options.delayedRecipients ?? NSNull() as Any,
        ]
        try JSONSerialization.data(withJSONObject: settings).write(to: folder.appending(path: "settings.json"))
        let errors = folder.appending(path: "errors")
        try Data().write(to: errors)
        let process = Process()
        process.executableURL = URL(filePath: try #require(Python.withMailServer))
        process.arguments = ["-W", "ignore", "-c", ParsedMail.pythonParser + "\n" + Self.script, folder.path]
        process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONUTF8": "1"]) { $1 }
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        let portFile = folder.appending(path: "port")
        let deadline = ContinuousClock.now + .seconds(40)
        var text: String?
        while text == nil, process.isRunning, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
            text = try? String(contentsOf: portFile, encoding: .utf8)
        }
        let complaint = (try? String(contentsOf: errors, encoding: .utf8)) ?? ""
        port = try #require(text.flatMap { UInt16($0) }, "aiosmtpd does not start: \(complaint)")
    }

    deinit { stop() }

    /// Ends the server, which reads its end from its standard input.
    func stop() {
        try? input.fileHandleForWriting.close()
        try? FileManager.default.removeItem(at: folder)
    }

    /// The mails so far, in the order of their arrival.
    var messages: [Message] {
        get throws {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            return try names.filter { $0.hasSuffix(".mail") }.sorted().map { name in
                try JSONDecoder().decode(Message.self, from: Data(contentsOf: folder.appending(path: name)))
            }
        }
    }

    /// Options of a channel to the server.
    func options(
        login: (user: String, password: String)? = ("etcd", "pässword"),
        to: [String] = ["Operations <ops@example.com>"]
    ) -> SMTPChannel.Options {
        SMTPChannel.Options(
            host: "localhost",
            port: port,
            security: security,
            user: login?.user,
            password: (login?.password).map { Secret($0) },
            from: "etcd monitor <etcd@example.com>",
            to: to,
            tls: tls
        )
    }

    private static let script = #"""
        import asyncio, os, ssl, sys, threading
        from aiosmtpd.smtp import SMTP, AuthResult

        folder = sys.argv[1]
        options = json.load(open(f"{folder}/settings.json"))

        def write(name, text):
            with open(f"{folder}/.new", "w") as file: file.write(text)
            os.rename(f"{folder}/.new", f"{folder}/{name}")

        class Handler:
            tries, count = {}, 0

            async def handle_EHLO(self, server, session, envelope, hostname, responses):
                session.host_name = hostname
                if options["forgetsLogin"]:
                    responses = [line for line in responses if "AUTH" not in line]
                    if session.ssl is None: responses.insert(0, "250-AUTH PLAIN LOGIN")
                return responses

            async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
                self.tries[address] = self.tries.get(address, 0) + 1
                if address in options["refused"]: return "550 5.1.1 There is no such user"
                delayed = options["delayed"] is None or address in options["delayed"]
                if delayed and self.tries[address] <= options["delays"]: return "451 4.7.1 Greylisted, come back later"
                envelope.rcpt_tos.append(address)
                return "250 2.1.5 Ok"

            async def handle_DATA(self, server, session, envelope):
                if options["refusal"]: return options["refusal"]
                self.count += 1
                write(f"{self.count:05}.mail", json.dumps({
                    "sender": envelope.mail_from, "recipients": envelope.rcpt_tos,
                    "parameters": envelope.mail_options, "heloName": session.host_name,
                    "isSecure": server.transport.get_extra_info("ssl_object") is not None, "user": session.auth_data,
                    "mail": parsed(envelope.original_content),
                }))
                return f"250 2.0.0 Ok: queued as {self.count}"

        def authenticator(server, session, envelope, mechanism, data):
            wanted = (options["user"].encode(), options["password"].encode())
            success = (data.login, data.password) == wanted
            return AuthResult(success=success, handled=False, auth_data=data.login.decode(errors="replace"))

        def session(context):
            isImplicit = options["security"] == "implicitTLS"
            hasLogin = options["user"] != ""
            return SMTP(
                handler, hostname="mail.test", enable_SMTPUTF8=options["takesUTF8"],
                data_size_limit=options["sizeLimit"],
                tls_context=context if options["security"] == "startTLS" else None,
                require_starttls=options["security"] == "startTLS",
                authenticator=authenticator if hasLogin else None, auth_required=hasLogin and not options["forgetsLogin"],
                auth_require_tls=options["security"] == "startTLS",
                auth_exclude_mechanism={"LOGIN", "PLAIN"} - set(options["mechanisms"]))

        def wait():
            sys.stdin.read()
            os._exit(0)

        async def main():
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(f"{folder}/certificate.pem")
            server = await asyncio.get_running_loop().create_server(
                lambda: session(context), "127.0.0.1", 0, ssl=context if options["security"] == "implicitTLS" else None)
            write("port", str(server.sockets[0].getsockname()[1]))
            await asyncio.Event().wait()

        handler = Handler()
        threading.Thread(target=wait, daemon=True).start()
        asyncio.run(main())
        """#
}
