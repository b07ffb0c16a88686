// SPDX-License-Identifier: Apache-2.0

extension PagerDutyChannel {
    /// An event of PagerDuty's Events API v2, without the routing key, which the channel adds.
    public struct Event: Sendable, Hashable {
        /// The change of the incident.
        public enum Action: String, Sendable, Hashable, Encodable, CaseIterable {
            /// It is opened, or what is known of it is renewed.
            case trigger
            /// Someone is at it.
            case acknowledge
            /// It is over.
            case resolve
        }

        /// How urgent it is.
        public enum Severity: String, Sendable, Hashable, Encodable, CaseIterable {
            case critical, error, warning, info
        }

        /// A link of the incident.
        public struct Link: Sendable, Hashable, Encodable {
            /// Where it leads.
            public var href: String
            /// The text that is shown.
            public var text: String

            /// Makes a link.
            ///
            /// - Parameters:
            ///   - href: Where it leads.
            ///   - text: The text that is shown.
            public init(href: String, text: String) {
                self.href = href
                self.text = text
            }
        }

        /// The change of the incident.
        public var action: Action
        /// The identity of the incident, of at most 255 characters.
        public var dedupKey: String
        /// The incident; only what triggers one needs it.
        public var payload: Payload?
        /// The links of the incident.
        public var links: [Link]
        /// The name of the sender.
        public var client: String?
        /// Where the sender is.
        public var clientURL: String?

        /// Makes an event.
        ///
        /// - Parameters:
        ///   - action: The change of the incident.
        ///   - dedupKey: The identity of the incident.
        ///   - payload: The incident.
        ///   - links: The links of the incident.
        ///   - client: The name of the sender.
        ///   - clientURL: Where the sender is.
        public init(
            _ action: Action,
            dedupKey: String,
            payload: Payload? = nil,
            links: [Link] = [],
            client: String? = nil,
            clientURL: String? = nil
        ) {
            self.action = action
            self.dedupKey = dedupKey
            self.payload = payload
            self.links = links
            self.client = client
            self.clientURL = clientURL
        }
    }
}

extension PagerDutyChannel.Event {
    /// The description of the incident in an event.
    public struct Payload: Sendable, Hashable, Encodable {
        /// The incident in one sentence; the channel cuts what is beyond 1024 characters.
        public var summary: String
        /// The place of the trouble.
        public var source: String
        /// How urgent it is.
        public var severity: Severity
        /// When it began, as in RFC 3339.
        public var timestamp: String?
        /// The part of the source that is meant.
        public var component: String?
        /// The group of the source.
        public var group: String?
        /// The kind of trouble; `class` in JSON.
        public var eventClass: String?
        /// Further figures and texts; the channel leaves them out of an event that would be too large.
        public var customDetails: [String: String]

        private enum CodingKeys: String, CodingKey {
            case summary, source, severity, timestamp, component, group
            case eventClass = "class"
            case customDetails = "custom_details"
        }

        /// Makes a payload.
        ///
        /// - Parameters:
        ///   - summary: The incident in one sentence.
        ///   - source: The place of the trouble.
        ///   - severity: How urgent it is.
        ///   - timestamp: When it began, as in RFC 3339.
        ///   - component: The part of the source that is meant.
        ///   - group: The group of the source.
        ///   - eventClass: The kind of trouble.
        ///   - customDetails: Further figures and texts.
        public init(
            summary: String,
            source: String,
            severity: Severity,
            timestamp: String? = nil,
            component: String? = nil,
            group: String? = nil,
            eventClass: String? = nil,
            customDetails: [String: String] = [:]
        ) {
            self.summary = summary
            self.source = source
            self.severity = severity
            self.timestamp = timestamp
            self.component = component
            self.group = group
            self.eventClass = eventClass
            self.customDetails = customDetails
        }
    }

    /// An event as it is sent, within PagerDuty's limits.
    struct Envelope: Encodable {
        private static let maximumBody = 512_000

        private var event: PagerDutyChannel.Event
        private let routingKey: String

        private enum CodingKeys: String, CodingKey {
            case payload, links, client
            case routingKey = "routing_key"
            case action = "event_action"
            case dedupKey = "dedup_key"
            case clientURL = "client_url"
        }

        init(_ event: PagerDutyChannel.Event, routingKey: String) {
            self.event = event
            self.routingKey = routingKey
            if let summary = event.payload?.summary { self.event.payload?.summary = summary.cut(to: 1024) }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(routingKey, forKey: .routingKey)
            try container.encode(event.action, forKey: .action)
            try container.encode(event.dedupKey, forKey: .dedupKey)
            try container.encodeIfPresent(event.payload, forKey: .payload)
            if !event.links.isEmpty { try container.encode(event.links, forKey: .links) }
            try container.encodeIfPresent(event.client, forKey: .client)
            try container.encodeIfPresent(event.clientURL, forKey: .clientURL)
        }

        func body() throws(AlertChannelError) -> [UInt8] {
            let whole = try AlertReceiver.json(self)
            if whole.count <= Self.maximumBody { return whole }
            var smaller = self
            smaller.event.payload?.customDetails = ["error": "The details were left out, because they are too large."]
            return try AlertReceiver.json(smaller)
        }
    }
}
