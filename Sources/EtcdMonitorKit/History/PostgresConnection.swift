// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A connection string of PostgreSQL: a URI, or `host=… user=…`.
///
/// It is passed to `psql` in environment variables, because every user of a machine can read the arguments of a
/// process. No error quotes any part of the string: an unencoded character can make a part of the password look like
/// another part.
struct PostgresConnection {
    /// The environment variables of PostgreSQL's client library.
    private(set) var environment: [String: String] = [:]
    /// The texts that must not appear in messages.
    var secrets: [String] { [environment["PGPASSWORD"]].compactMap(\.self).filter { !$0.isEmpty } }

    private static let variables = [
        "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
        "password": "PGPASSWORD", "passfile": "PGPASSFILE", "options": "PGOPTIONS", "service": "PGSERVICE",
        "application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT", "sslmode": "PGSSLMODE",
        "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL",
        "sslcrldir": "PGSSLCRLDIR", "sslsni": "PGSSLSNI", "sslnegotiation": "PGSSLNEGOTIATION",
        "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
        "channel_binding": "PGCHANNELBINDING", "require_auth": "PGREQUIREAUTH", "requirepeer": "PGREQUIREPEER",
        "gssencmode": "PGGSSENCMODE", "krbsrvname": "PGKRBSRVNAME", "target_session_attrs": "PGTARGETSESSIONATTRS",
        "load_balance_hosts": "PGLOADBALANCEHOSTS",
    ]

    /// Parses a connection string.
    init(_ text: String) throws(HistorySinkError) {
        let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
        if let scheme = ["postgresql://", "postgres://"].first(where: text.hasPrefix) {
            try readURI(text.dropFirst(scheme.count))
        } else {
            try readKeywords(text)
        }
    }

    private mutating func set(_ keyword: some StringProtocol, _ value: String) throws(HistorySinkError) {
        guard let variable = Self.variables[String(keyword)] else {
            let known = Self.variables.keys.sorted().joined(separator: ", ")
            throw Self.error("it has an unknown keyword; the known ones are \(known)")
        }
        if value.unicodeScalars.contains("\0") { throw Self.error("it has a NUL character") }
        environment[variable] = value
    }

    private static func error(_ reason: String) -> HistorySinkError {
        HistorySinkError("the connection string cannot be read: \(reason)")
    }

    // MARK: URIs

    private mutating func readURI(_ text: Substring) throws(HistorySinkError) {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = (halves.first ?? "").split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var hosts = path.first ?? ""
        if let end = hosts.firstIndex(of: "@") {
            let user = hosts[..<end].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            hosts = hosts[hosts.index(after: end)...]
            for (keyword, part) in zip(["user", "password"], user) where !part.isEmpty {
                try set(keyword, Self.decoded(part))
            }
        }
        try readHosts(hosts)
        if path.count > 1, let database = path.last, !database.isEmpty {
            if database.contains("@") || database.contains("/") {
                throw Self.error("\"@\" or \"/\" in a password must be percent-encoded")
            }
            try set("dbname", Self.decoded(database))
        }
        for parameter in halves.dropFirst().first?.split(separator: "&") ?? [] {
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let value = parts.last else { throw Self.error("a parameter has no \"=\"") }
            try set(Self.decoded(parts[0]), Self.decoded(value))
        }
    }

    private mutating func readHosts(_ text: Substring) throws(HistorySinkError) {
        if text.contains("@") { throw Self.error("\"@\" in a password must be percent-encoded") }
        var hosts: [String] = []
        var ports: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            var (host, port) = (part, "" as Substring)
            if part.hasPrefix("["), let end = part.firstIndex(of: "]") {
                host = part[..<end].dropFirst()
                port = part[end...].dropFirst()
                if !port.isEmpty && !port.hasPrefix(":") { throw Self.error("a host is malformed") }
                port = port.dropFirst()
            } else if let colon = part.firstIndex(of: ":") {
                host = part[..<colon]
                port = part[colon...].dropFirst()
            }
            guard port.isEmpty || UInt16(port) != nil else { throw Self.error("a port is not a number") }
            hosts.append(try Self.decoded(host))
            ports.append(String(port))
        }
        if hosts.contains(where: { !$0.isEmpty }) { try set("host", hosts.joined(separator: ",")) }
        if ports.contains(where: { !$0.isEmpty }) { try set("port", ports.joined(separator: ",")) }
    }

    private static func decoded(_ text: Substring) throws(HistorySinkError) -> String {
        guard let decoded = String(text).removingPercentEncoding else {
            throw error("\"%\" is not followed by two hexadecimal digits of a UTF-8 text")
        }
        return decoded
    }

    // MARK: Keywords and values

    private mutating func readKeywords(_ text: String) throws(HistorySinkError) {
        var rest = text[...]
        while !rest.isEmpty {
            guard let end = rest.firstIndex(of: "=") else {
                throw Self.error("it is neither a postgresql:// URI nor a list of KEYWORD=VALUE")
            }
            let keyword = rest[..<end].filter { !$0.isWhitespace }
            rest = rest[end...].dropFirst().drop(while: \.isWhitespace)
            let value = try Self.takeValue(&rest)
            try set(keyword, value)
            rest = rest.drop(while: \.isWhitespace)
        }
    }

    private static func takeValue(_ rest: inout Substring) throws(HistorySinkError) -> String {
        let isQuoted = rest.first == "'"
        if isQuoted { rest.removeFirst() }
        var value = ""
        while var character = rest.popFirst() {
            if isQuoted ? character == "'" : character.isWhitespace { return value }
            if character == "\\" {
                guard let escaped = rest.popFirst() else { throw error("it ends within an escape") }
                character = escaped
            }
            value.append(character)
        }
        if isQuoted { throw error("a quote is not closed") }
        return value
    }
}
