// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The settings of a channel that posts by HTTP.
public struct HTTPChannelOptions: Sendable, Hashable {
    /// How receivers that are reached by TLS are met; nil for the authorities that the system trusts.
    public var tls: TLSConfiguration?
    /// How long one request may take, from the connection to the end of the answer.
    public var timeout: Duration
    /// The channel is told when an alert is over.
    public var sendsResolved: Bool

    /// Makes settings.
    ///
    /// - Parameters:
    ///   - tls: How receivers that are reached by TLS are met; nil for the authorities that the system trusts.
    ///   - timeout: How long one request may take.
    ///   - sendsResolved: The channel is told when an alert is over.
    public init(tls: TLSConfiguration? = nil, timeout: Duration = .seconds(10), sendsResolved: Bool = true) {
        self.tls = tls
        self.timeout = timeout
        self.sendsResolved = sendsResolved
    }
}
