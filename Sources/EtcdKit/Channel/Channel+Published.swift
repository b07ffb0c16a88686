// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// The state of a client as it was a moment ago, behind one lock, for calls that begin off the loop.
    struct Published {
        /// The connections that calls are spread over.
        var links: [Link] = []
        private var next = 0
        /// Calls have a choice of endpoints.
        var hasAlternatives: Bool
        /// The token: `.some(nil)` if none is needed, nil if that is not known yet.
        var token: AuthToken??

        init(hasAlternatives: Bool = false) { self.hasAlternatives = hasAlternatives }

        /// The next connection in turn of those that are not to be avoided.
        mutating func nextLink(avoiding avoided: [Endpoint], _ failover: FailoverPolicy) -> Link? {
            for offset in 0..<links.count {
                let index = (next + offset) % links.count
                if !avoided.isEmpty, avoided.contains(links[index].endpoint) { continue }
                if case .roundRobin = failover { next = (index + 1) % links.count }
                return links[index]
            }
            return nil
        }
    }
}
