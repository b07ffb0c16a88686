// SPDX-License-Identifier: Apache-2.0

extension ClusterMonitor: MonitoredCluster {}

extension MonitorAPI {
    /// Makes the API of some clusters.
    ///
    /// - Parameters:
    ///   - monitors: Their monitors, at least one, with names that differ; the first is meant where a request names none.
    ///   - options: Access, other origins, and a hook for each request.
    public init(_ monitors: [ClusterMonitor], _ options: Options = Options()) {
        self.init(of: monitors, options)
    }
}
