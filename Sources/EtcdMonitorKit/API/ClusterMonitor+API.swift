// SPDX-License-Identifier: Apache-2.0

extension ClusterMonitor: MonitoredCluster {}
extension AlertCenter: AlertSource {}

extension MonitorAPI {
    /// Makes the API of one or more clusters.
    ///
    /// - Parameters:
    ///   - monitors: Their monitors, at least one, with different names. The first is used if a request names none.
    ///   - alerts: The center of their alerts. Without one, the paths of alerts return an error.
    ///   - options: Access, other origins, and a hook for each request.
    public init(_ monitors: [ClusterMonitor], alerts: AlertCenter? = nil, _ options: Options = Options()) {
        self.init(of: monitors, alerts: alerts, options)
    }
}
