// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The settings of a channel that uses HTTP POST.
public struct HTTPChannelOptions: Sendable, Hashable {
    /// The TLS settings for receivers; nil for the authorities that the system trusts.
    public var tls: TLSConfiguration?
    /// The longest duration of a request, from the connection to the end of the answer.
    public var timeout: Duration
    /// Whether the channel is notified when an alert is resolved.
    public var sendsResolved: Bool

    /// Makes settings.
    ///
    /// - Parameters:
    ///   - tls: The TLS settings for receivers; nil for the authorities that the system trusts.
    ///   - timeout: The longest duration of a request.
    ///   - sendsResolved: Whether the channel is notified when an alert is resolved.
    public init(tls: TLSConfiguration? = nil, timeout: Duration = .seconds(10), sendsResolved: Bool = true) {
        self.tls = tls
        self.timeout = timeout
        self.sendsResolved = sendsResolved
    }
}
