// SPDX-License-Identifier: Apache-2.0

import EtcdHummingbird
import EtcdKit
import EtcdMonitorKit
import EtcdPatterns
import HTTPTypes
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

struct CoordinationErrors<Context: RequestContext>: RouterMiddleware {
    func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as BusyError {
            throw HTTPError(.conflict, message: "\(error.name) is in use")
        } catch is CoordinationLoss {
            throw HTTPError(.serviceUnavailable, message: "the lock was lost")
        } catch let error as EtcdError where error.code == .ambiguous {
            throw HTTPError(.serviceUnavailable, message: "the request was perhaps done")
        } catch let error as EtcdError where [.unavailable, .noLeader, .deadlineExceeded].contains(error.code) {
            throw HTTPError(.serviceUnavailable, headers: [.retryAfter: "1"], message: "etcd does not answer")
        }
    }
}

func countUnderLock(_ lock: DistributedLock) -> Router<BasicRequestContext> {
    let router = Router()
    router.add(middleware: CoordinationErrors())
    router.post("count") { _, _ in
        try await lock.withLock(timeout: .seconds(2)) { grant in
            try await grant.guarded(then: [.put("count", "1")])
            return "counted"
        }
    }
    return router
}
