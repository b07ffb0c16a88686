// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Posts each notification to a URL, in the format of Alertmanager's webhooks (version 4).
///
/// The header `Idempotency-Key` contains the identity of the notification. It is the same for a repeated attempt.
///
/// With a signing secret, the header `X-Etcd-Monitor-Signature` proves the sender and the time of the message:
///
///     X-Etcd-Monitor-Signature: t=1735689600,v1=5257a869e7ec…
///
/// `t` is the time in seconds since 1970. `v1` is the HMAC (RFC 2104) with SHA-256, in hexadecimal digits, of the bytes
/// of `t`, a dot and the body; the key is the bytes of the secret. A receiver computes it again, compares all of it,
/// and refuses an old time.
///
/// ```swift
/// WebhookChannel(url: .file("/run/secrets/hook")) { notification in
///     var payload = WebhookChannel.Payload(notification)
///     payload.commonLabels["team"] = "databases"
///     return WebhookChannel.Message(json: payload)
/// }
/// ```
public struct WebhookChannel: AlertChannel {
    /// The message of a webhook.
    public struct Message: Sendable, Hashable {
        /// The media type of the body, such as `application/json`.
        public var contentType: String
        /// The body.
        public var body: [UInt8]

        /// Makes a message.
        ///
        /// - Parameters:
        ///   - contentType: The media type of the body.
        ///   - body: The body.
        public init(contentType: String, body: [UInt8]) {
            self.contentType = contentType
            self.body = body
        }

        /// Makes a JSON message.
        ///
        /// - Parameter value: The value; its dates are encoded in RFC 3339. If it cannot be encoded, the body is empty.
        public init(json value: some Encodable) {
            self.init(contentType: "application/json", body: (try? JSONBody.bytes(of: value)) ?? [])
        }
    }

    private let receiver: AlertReceiver
    private let signingSecret: Secret?
    private let format: @Sendable (AlertNotification) -> Message
    /// Changes of a cluster share a message.
    public let delivery: AlertDelivery

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - url: The URL.
    ///   - headers: Further headers by name, such as `Authorization`.
    ///   - signingSecret: The secret that signs each message; nil for no signature.
    ///   - options: The timeout and TLS.
    ///   - format: Makes the message; nil for the JSON of a ``Payload``.
    public init(
        url: Secret,
        headers: [String: Secret] = [:],
        signingSecret: Secret? = nil,
        _ options: HTTPChannelOptions = HTTPChannelOptions(),
        format: (@Sendable (AlertNotification) -> Message)? = nil
    ) {
        receiver = AlertReceiver(url, headers: headers, options)
        self.signingSecret = signingSecret
        self.format = format ?? { Message(json: Payload($0)) }
        delivery = AlertDelivery(sendsResolved: options.sendsResolved)
    }

    /// `webhook`.
    public var kind: String { "webhook" }

    /// Reads the secrets and the TLS files, and checks them.
    ///
    /// - Throws: The error in the settings, which is permanent.
    public func check() throws(AlertChannelError) {
        try receiver.check()
        _ = try readSigningSecret()
    }

    /// Posts the message.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The answer of the receiver.
    /// - Throws: The reason why it could not be delivered.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let message = format(notification)
        if message.body.isEmpty { throw AlertChannelError("the message is empty", isPermanent: true) }
        var fields: HTTPHeaders = ["Idempotency-Key": notification.id]
        let secret = try readSigningSecret()
        if let secret { fields["X-Etcd-Monitor-Signature"] = try signature(of: message.body, with: secret, at: Date()) }
        let answer = try await receiver.post(
            message.body,
            type: message.contentType,
            fields: fields,
            hiding: secret.map { [$0] } ?? []
        )
        return answer.summary
    }

    private func readSigningSecret() throws(AlertChannelError) -> String? {
        guard let secret = try signingSecret?.read("the signing secret") else { return nil }
        if secret.isEmpty { throw AlertChannelError("the signing secret is empty", isPermanent: true) }
        return secret
    }

    private func signature(
        of body: [UInt8],
        with secret: String,
        at time: Date
    ) throws(AlertChannelError) -> String {
        let stamp = String(Int(time.timeIntervalSince1970))
        guard let code = HMACSHA256.code(of: Array("\(stamp).".utf8) + body, key: Array(secret.utf8)) else {
            throw AlertChannelError("the message cannot be signed")
        }
        return "t=\(stamp),v1=\(code.hexadecimal)"
    }
}
