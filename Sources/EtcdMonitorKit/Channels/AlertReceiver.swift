// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A server that receives the messages of a channel by HTTP POST.
struct AlertReceiver: Sendable {
    /// An answer with a status of success.
    struct Answer: Sendable {
        let status: Int
        let body: [UInt8]
        /// The origin and the answer, in one line without secrets.
        let summary: String
    }

    /// The largest size of an answer, in bytes.
    private static let maximumAnswer = 64 << 10
    /// The fields of the transport, which users must not set.
    private static let ownFields = ["connection", "content-length", "transfer-encoding", "expect", "upgrade", "te"]

    private let url: Secret
    private let headers: [String: Secret]
    private let options: HTTPChannelOptions
    private let client: HTTPClient

    /// Makes a receiver.
    ///
    /// It reads no setting before the first message.
    init(_ url: Secret, headers: [String: Secret] = [:], _ options: HTTPChannelOptions) {
        self.url = url
        self.headers = headers
        self.options = options
        client = HTTPClient(tls: options.tls)
    }

    /// Reads all settings and checks them.
    func check() throws(AlertChannelError) {
        _ = try readURL()
        _ = try readHeaders()
        do throws(EtcdError) {
            try options.tls?.validate()
        } catch {
            throw AlertChannelError(error.message, isPermanent: true)
        }
    }

    /// Posts a message.
    ///
    /// - Parameters:
    ///   - body: The message.
    ///   - path: A text that is appended to the path of the URL.
    ///   - type: The media type of the message.
    ///   - fields: Further fields; those of the settings override them.
    ///   - secrets: The secrets in the message.
    /// - Returns: The answer, with a status from 200 to 299.
    /// - Throws: The reason why there is none.
    func post(
        _ body: [UInt8],
        to path: String = "",
        type: String = "application/json",
        fields: HTTPHeaders = [:],
        hiding secrets: [String] = []
    ) async throws(AlertChannelError) -> Answer {
        let url = try readURL()
        let own = try readHeaders()
        var all = fields
        all["Content-Type"] = type
        all["Host"] = url.host
        all["User-Agent"] = "etcd-monitor/\(MonitorVersion.current)"
        all["Authorization"] = url.authorization
        for (name, value) in own { all[name] = value }
        let values = own.values.flatMap { [$0] + $0.split(separator: " ").map(String.init).filter { $0.count > 3 } }
        let redacted = Redaction(url.secrets + values + secrets)
        let exchange: HTTPClient.Exchange
        do throws(HTTPClientError) {
            exchange = try await client.send(
                "POST",
                url.target(adding: path),
                headers: all,
                body: body,
                at: url.endpoint,
                timeout: options.timeout.bounded,
                maximumBody: Self.maximumAnswer
            )
        } catch {
            var failure = AlertChannelError("\(url.origin): \(redacted(error.message))")
            failure.mayHaveArrived = error.mayHaveArrived
            throw failure
        }
        let text = redacted(exchange.body)
        let status = exchange.response.status
        let summary = "\(url.origin) answered \(status)\(text.isEmpty ? "" : ": \(text)")"
        if (200..<300).contains(status) { return Answer(status: status, body: exchange.body, summary: summary) }
        let isTemporary = status >= 500 || [408, 425, 429].contains(status)
        var failure = AlertChannelError(summary, retryAfter: Self.retryAfter(exchange), isPermanent: !isTemporary)
        // A gateway reports with this status that only the answer is missing.
        failure.mayHaveArrived = status == 502 || status == 504
        throw failure
    }

    /// Posts a message as JSON.
    func post(
        json message: some Encodable,
        to path: String = "",
        hiding secrets: [String] = []
    ) async throws(AlertChannelError) -> Answer {
        try await post(Self.json(message), to: path, hiding: secrets)
    }

    /// A message as JSON.
    static func json(_ message: some Encodable) throws(AlertChannelError) -> [UInt8] {
        do {
            return try JSONBody.bytes(of: message)
        } catch {
            // The error may quote the message, and thus a secret.
            throw AlertChannelError("the message cannot be encoded as JSON", isPermanent: true)
        }
    }

    private func readURL() throws(AlertChannelError) -> ReceiverURL {
        try ReceiverURL(url.read("the URL").trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private func readHeaders() throws(AlertChannelError) -> [String: String] {
        var values: [String: String] = [:]
        for (name, secret) in headers {
            guard !name.isEmpty, name.utf8.allSatisfy(\.isToken), !Self.ownFields.contains(name.lowercased()) else {
                throw AlertChannelError("\"\(Redaction([])(name))\" cannot be set as a header", isPermanent: true)
            }
            let value = try secret.read("the header \(name)")
            if value.utf8.contains(where: \.isControl) {
                throw AlertChannelError("the header \(name) has a control character", isPermanent: true)
            }
            values[name] = value
        }
        return values
    }

    /// The time that the receiver asks to wait (RFC 9110, section 10.2.3).
    private static func retryAfter(_ exchange: HTTPClient.Exchange) -> Duration? {
        guard let text = exchange.response.headers["Retry-After"] else { return nil }
        let seconds: Double
        if !text.isEmpty, text.utf8.allSatisfy({ $0.digit != nil }) {
            seconds = Double(text) ?? .infinity
        } else if let end = HTTPDate.read(text) {
            // By the receiver's own clock, if the answer contains its time.
            let now = exchange.response.headers["Date"].flatMap(HTTPDate.read) ?? exchange.received
            seconds = end.timeIntervalSince(now)
        } else {
            return nil
        }
        // A longer number is not a duration. The worker decides how long it really waits.
        return .seconds(min(max(seconds, 0), 1e9))
    }
}

extension Secret {
    /// Reads the secret.
    ///
    /// A failure is an error in the settings, and names the setting.
    func read(_ name: String) throws(AlertChannelError) -> String {
        do throws(AlertChannelError) {
            return try value()
        } catch {
            throw AlertChannelError("\(name): \(error.message)", isPermanent: true)
        }
    }
}
