// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// The channels, by their type.
extension AlertsConfiguration {
    /// Makes a channel from the fields of its type.
    private typealias Maker = @Sendable (inout ConfigurationFields) throws(UsageError) -> any AlertChannel

    private static let makers: [String: Maker] = [
        "console": console, "smtp": smtp, "slack": slack, "pagerduty": pagerDuty, "webhook": webhook,
        "alertmanager": alertmanager,
    ]

    static func channel(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        let maker = try fields.required("type").choice(among: makers)
        return try maker(&fields)
    }

    @Sendable
    private static func console(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        ConsoleChannel(try fields["format"]?.choice(among: ["text": .text, "json": .json]) ?? .text)
    }

    @Sendable
    private static func slack(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        SlackChannel(url: try fields.requiredSecret("url"), try httpOptions(&fields))
    }

    @Sendable
    private static func pagerDuty(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        let (key, endpoint) = (try fields.requiredSecret("routingKey"), try fields["endpoint"]?.text())
        let options = try httpOptions(&fields)
        guard let endpoint else { return PagerDutyChannel(routingKey: key, options) }
        return PagerDutyChannel(routingKey: key, endpoint: endpoint, options)
    }

    @Sendable
    private static func webhook(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        WebhookChannel(
            url: try fields.requiredSecret("url"),
            headers: try fields["headers"]?.secrets() ?? [:],
            signingSecret: try fields.secret("signingSecret"),
            try httpOptions(&fields)
        )
    }

    @Sendable
    private static func alertmanager(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        let (url, urls) = (try fields.secret("url"), try fields["urls"]?.texts())
        guard (url == nil) != (urls == nil) else {
            throw fields.error("it needs exactly one of \"urls\", \"url\" and \"urlFile\"")
        }
        return AlertmanagerChannel(
            urls: urls?.map { Secret($0) } ?? [url].compactMap(\.self),
            headers: try fields["headers"]?.secrets() ?? [:],
            try httpOptions(&fields)
        )
    }

    @Sendable
    private static func smtp(_ fields: inout ConfigurationFields) throws(UsageError) -> any AlertChannel {
        var options = SMTPChannel.Options(
            host: try fields.required("host").text(),
            from: try fields.required("from").text(),
            to: try fields.required("to").texts()
        )
        options.port = try fields["port"]?.port()
        if let security = try fields["security"]?.choice(among: securities) { options.security = security }
        options.user = try fields["user"]?.text()
        options.password = try fields.secret("password")
        if (options.user == nil) != (options.password == nil) {
            throw fields.error("\"user\" and \"password\" need each other")
        }
        if let kind = try fields["authentication"]?.choice(of: SMTPChannel.Authentication.self) {
            options.authentication = kind
        }
        if let allows = try fields["allowsPlaintextLogin"]?.flag() { options.allowsPlaintextLogin = allows }
        options.heloName = try fields["heloName"]?.text()
        options.tls = try tls(&fields)
        if let timeout = try timeout(&fields) { options.timeout = timeout }
        if let sends = try fields["sendsResolved"]?.flag() { options.sendsResolved = sends }
        return SMTPChannel(options)
    }

    private static let securities: [String: SMTPChannel.Security] = [
        "starttls": .startTLS, "tls": .implicitTLS, "none": .none,
    ]

    // MARK: Parts of several types

    private static func httpOptions(_ fields: inout ConfigurationFields) throws(UsageError) -> HTTPChannelOptions {
        var options = HTTPChannelOptions(tls: try tls(&fields))
        if let timeout = try timeout(&fields) { options.timeout = timeout }
        if let sends = try fields["sendsResolved"]?.flag() { options.sendsResolved = sends }
        return options
    }

    private static func timeout(_ fields: inout ConfigurationFields) throws(UsageError) -> Duration? {
        try fields["timeout"]?.time(atLeast: "100ms")
    }

    /// The TLS settings; nil for the authorities that the system trusts.
    private static func tls(_ fields: inout ConfigurationFields) throws(UsageError) -> TLSConfiguration? {
        let files = (try fields["cacert"]?.text(), try fields["cert"]?.text(), try fields["key"]?.text())
        if files.2 != nil && files.1 == nil { throw fields.error("\"key\" needs \"cert\"") }
        if files.0 == nil && files.1 == nil { return nil }
        return TLSConfiguration(
            trustedCertificates: files.0.map { .file($0) },
            certificateChain: files.1.map { .file($0) },
            privateKey: files.2.map { .file($0) }
        )
    }
}
