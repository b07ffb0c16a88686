// SPDX-License-Identifier: Apache-2.0

extension ClusterMonitor: MonitoredCluster {}
extension AlertCenter: AlertSource {}

extension MonitorAPI {
    /// Makes the API of some clusters.
    ///
    /// - Parameters:
    ///   - monitors: Their monitors, at least one, with names that differ; the first is meant where a request names none.
    ///   - alerts: The center that tells of alerts about them; without one, the paths of alerts say that there is none.
    ///   - options: Access, other origins, and a hook for each request.
    public init(_ monitors: [ClusterMonitor], alerts: AlertCenter? = nil, _ options: Options = Options()) {
        self.init(of: monitors, alerts: alerts, options)
    }
}
