// SPDX-License-Identifier: Apache-2.0

import EtcdHummingbird
import EtcdKit
import EtcdMonitorKit
import EtcdPatterns
import EtcdTesting
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@Suite("EtcdHummingbird", .timeLimit(.minutes(2)))
struct HummingbirdTests {
    private static func app(
        _ election: LeaderElection,
        timeout: Duration = .seconds(2),
        redirects: Bool = true
    ) -> some ApplicationProtocol {
        let router = Router()
        let address: @Sendable (LeaderElection.Candidate) -> String? = { leader in "http://\(leader.value)" }
        router.add(middleware: LeaderOnlyMiddleware(election, timeout: timeout, redirectTo: redirects ? address : nil))
        router.post("admin") { _, _ in "done" }
        return Application(router: router, logger: quiet)
    }

    @Test("LeaderOnlyMiddleware answers on the leader, redirects elsewhere, and refuses while nobody leads")
    func leaderOnly() async throws {
        try await withEtcd { client, _ in
            let follower = try LeaderElection("e", candidate: "10.0.0.1:80", on: .client(client))
            let leader = try LeaderElection("e", candidate: "10.0.0.2:80", on: .client(client))
            try await Self.app(follower).test(.router) { http in
                try await http.execute(uri: "/admin?x=1", method: .post) { response in
                    #expect(response.status == .serviceUnavailable)
                    #expect(response.headers[.retryAfter] == "1")
                }
                let term = try await leader.campaign()
                try await http.execute(uri: "/admin?x=1", method: .post) { response in
                    #expect(response.status == .temporaryRedirect)
                    #expect(response.headers[.location] == "http://10.0.0.2:80/admin?x=1")
                }
                try await Self.app(leader).test(.router) { http in
                    try await http.execute(uri: "/admin?x=1", method: .post) { response in
                        #expect(response.status == .ok)
                        #expect(String(buffer: response.body) == "done")
                    }
                }
                try await Self.app(follower, redirects: false).test(.router) { http in
                    try await http.execute(uri: "/admin", method: .post) { #expect($0.status == .serviceUnavailable) }
                }
                await term.resign()
            }
        }
    }

    @Test("LeaderOnlyMiddleware refuses, and does not redirect to itself, while its earlier candidacy is the first")
    func leaderOnlyAfterRestart() async throws {
        try await withEtcd { client, _ in
            let earlier = try LeaderElection("e", candidate: "10.0.0.1:80", on: .client(client))
            let term = try await earlier.campaign()
            let restarted = try LeaderElection("e", candidate: "10.0.0.1:80", on: .client(client))
            try await Self.app(restarted).test(.router) { http in
                try await http.execute(uri: "/admin", method: .post) { response in
                    #expect(response.status == .serviceUnavailable)
                    #expect(response.headers[.retryAfter] == "1")
                }
            }
            await term.resign()
        }
    }

    @Test("LeaderOnlyMiddleware refuses after its timeout while etcd is away")
    func leaderOnlyWithoutEtcd() async throws {
        try await withEtcd { client, cluster in
            let follower = try LeaderElection("e", candidate: "10.0.0.1:80", on: .client(client))
            try await client.put("k", "1")
            await cluster.members[0].kill()
            try await Self.app(follower, timeout: .milliseconds(300)).test(.router) { http in
                let start = ContinuousClock.now
                try await http.execute(uri: "/admin", method: .post) { #expect($0.status == .serviceUnavailable) }
                // Far less than the timeout of a call.
                #expect(ContinuousClock.now - start < .seconds(5))
            }
        }
    }

    private struct Context: FlagsRequestContext {
        var coreContext: CoreRequestContextStorage
        var flags = RequestFlags()

        init(source: Source) { coreContext = .init(source: source) }
    }

    @Test("FeatureFlagsMiddleware gives a request the flags of its user")
    func flags() async throws {
        try await withEtcd { client, _ in
            let flags = try await FeatureFlags("flags", client: client)
            var flag = FeatureFlag(serve: .variant("off"))
            flag.rules = [.init(if: [.attribute("targetingKey", in: ["ann"])], serve: .variant("on"))]
            try await flags.set("new-ui", to: flag)
            let router = Router(context: Context.self)
            router.get("before") { _, context in "\(context.flags.isEnabled("new-ui"))" }
            router.add(
                middleware: FeatureFlagsMiddleware(flags) { request, _ in
                    FlagContext(request.uri.queryParameters["user"].map { String($0) })
                }
            )
            router.get("page") { _, context in
                // Evaluations of one request do not change half-way.
                let first = context.flags.isEnabled("new-ui")
                try await flags.disable("new-ui")
                let second = context.flags.isEnabled("new-ui")
                try await flags.enable("new-ui")
                return "\(first) \(second) \(context.flags.value("missing", default: 7))"
            }
            try await Application(router: router, logger: quiet).test(.router) { http in
                try await http.execute(uri: "/page?user=ann", method: .get) {
                    #expect(String(buffer: $0.body) == "true true 7")
                }
                try await http.execute(uri: "/page?user=bob", method: .get) {
                    #expect(String(buffer: $0.body) == "false false 7")
                }
                try await http.execute(uri: "/before?user=ann", method: .get) {
                    #expect(String(buffer: $0.body) == "false")
                }
            }
            await flags.close()
        }
    }

    @Test("MonitorMiddleware serves the monitor's page and API, and passes other requests on")
    func monitor() async throws {
        try await withEtcd { client, _ in
            let monitor = try ClusterMonitor(client)
            let router = Router()
            router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: "/monitor"))
            router.get("monitors") { _, _ in "mine" }
            try await Application(router: router, logger: quiet).test(.live) { http in
                try await http.execute(uri: "/monitor", method: .get) { response in
                    #expect(response.status == .movedPermanently)
                    #expect(response.headers[.location] == "/monitor/")
                }
                try await http.execute(uri: "/monitor/", method: .get) { response in
                    #expect(response.status == .ok)
                    #expect(response.headers[.contentType]?.hasPrefix("text/html") == true)
                }
                try await http.execute(uri: "/monitor/metrics", method: .get) { response in
                    #expect(response.status == .ok)
                    #expect(String(buffer: response.body).contains("etcd_monitor"))
                }
                try await http.execute(uri: "/monitor/metrics", method: .head) { response in
                    #expect(response.status == .ok)
                    #expect(response.body.readableBytes == 0)
                }
                try await http.execute(uri: "/monitors", method: .get) { response in
                    #expect(String(buffer: response.body) == "mine")
                }
            }
        }
    }

    @Test(
        "MonitorMiddleware takes its path with and without slashes at the ends",
        arguments: [("/", ""), ("", ""), ("/ops/monitor/", "/ops/monitor"), ("monitor", "/monitor")]
    )
    func paths(path: String, prefix: String) async throws {
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            let monitor = try ClusterMonitor(client)
            let router = Router()
            router.add(middleware: MonitorMiddleware(MonitorAPI([monitor]), at: path))
            try await Application(router: router, logger: quiet).test(.router) { http in
                try await http.execute(uri: "\(prefix)/", method: .get) { response in
                    #expect(response.headers[.contentType]?.hasPrefix("text/html") == true)
                }
                try await http.execute(uri: "\(prefix)/api/v1/clusters", method: .get) { #expect($0.status == .ok) }
                // Only the API's own paths are there.
                try await http.execute(uri: "\(prefix)//", method: .get) { #expect($0.status == .notFound) }
            }
        }
    }
}
