// SPDX-License-Identifier: Apache-2.0

import EtcdHummingbird
import EtcdMonitorKit
import EtcdPatterns
import Hummingbird

struct OrdersContext: FlagsRequestContext {
    var coreContext: CoreRequestContextStorage
    var flags = RequestFlags()

    init(source: Source) { coreContext = .init(source: source) }
}

func routes(flags: FeatureFlags, election: LeaderElection, monitor: ClusterMonitor) -> Router<OrdersContext> {
    let router = Router(context: OrdersContext.self)
    router.add(
        middleware: FeatureFlagsMiddleware(flags) { request, _ in
            FlagContext(request.uri.queryParameters["user"].map { String($0) })
        }
    )
    router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: "/monitor"))
    router.get("page") { _, context in context.flags.isEnabled("new-ui") ? "new" : "old" }
    router.group("admin")
        .add(middleware: LeaderOnlyMiddleware(election) { leader in "http://\(leader.value)" })
        .post("rebuild") { _, _ in "rebuilt" }
    return router
}
