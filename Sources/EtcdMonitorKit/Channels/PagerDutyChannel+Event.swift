// SPDX-License-Identifier: Apache-2.0

extension PagerDutyChannel {
    /// An event of PagerDuty's Events API v2, without the routing key, which the channel adds.
    public struct Event: Sendable, Hashable {
        /// The change of the incident.
        public enum Action: String, Sendable, Hashable, Encodable, CaseIterable {
            /// Opens or updates it.
            case trigger
            /// A person is working on it.
            case acknowledge
            /// Resolves it.
            case resolve
        }

        /// The severity of an incident.
        public enum Severity: String, Sendable, Hashable, Encodable, CaseIterable {
            case critical, error, warning, info
        }

        /// A link of the incident.
        public struct Link: Sendable, Hashable, Encodable {
            /// Its URL.
            public var href: String
            /// The text of the link.
            public var text: String

            /// Makes a link.
            ///
            /// - Parameters:
            ///   - href: Its URL.
            ///   - text: The text of the link.
            public init(href: String, text: String) {
                self.href = href
                self.text = text
            }
        }

        /// The change of the incident.
        public var action: Action
        /// The identity of the incident, of at most 255 characters.
        public var dedupKey: String
        /// The incident; needed only to trigger one.
        public var payload: Payload?
        /// The links of the incident.
        public var links: [Link]
        /// The name of the sender.
        public var client: String?
        /// The URL of the sender.
        public var clientURL: String?

        /// Makes an event.
        ///
        /// - Parameters:
        ///   - action: The change of the incident.
        ///   - dedupKey: The identity of the incident.
        ///   - payload: The incident.
        ///   - links: The links of the incident.
        ///   - client: The name of the sender.
        ///   - clientURL: The URL of the sender.
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
        /// The incident in one sentence; the channel cuts it after 1024 characters.
        public var summary: String
        /// The place of the fault.
        public var source: String
        /// The severity.
        public var severity: Severity
        /// The time when it began, in RFC 3339.
        public var timestamp: String?
        /// The affected part of the source.
        public var component: String?
        /// The group of the source.
        public var group: String?
        /// The kind of fault; `class` in JSON.
        public var eventClass: String?
        /// Further figures and texts; the channel leaves them out if the event would be too large.
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
        ///   - source: The place of the fault.
        ///   - severity: The severity.
        ///   - timestamp: The time when it began, in RFC 3339.
        ///   - component: The affected part of the source.
        ///   - group: The group of the source.
        ///   - eventClass: The kind of fault.
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

    /// An event as it is sent, within the limits of PagerDuty.
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
