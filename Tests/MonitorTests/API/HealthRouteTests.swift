// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HealthRouteTests {
    private func cluster(_ verdict: Verdict, poll: Int = 7, isLive: Bool = true, name: String = "main") -> FakeCluster {
        var cluster = FakeCluster(name: name, snapshot: .sample(name, poll: poll), isLive: isLive)
        cluster.snapshot.verdict = verdict
        return cluster
    }

    @Test(arguments: [(Verdict.ok, 200, 200), (.unknown, 200, 503), (.degraded, 200, 503), (.critical, 503, 503)])
    func `The status of /health follows the verdict`(verdict: Verdict, status: Int, strict: Int) async throws {
        let api = MonitorAPI.over(cluster(verdict))
        let answer = await api.text(HTTPRequest("GET", "/health"))
        #expect(answer.status == status && answer.headers["Content-Type"] == "application/json")
        #expect(answer.body.hasSuffix(#""verdict":"\#(verdict)"}"#))
        #expect(answer.body.contains("slow-fsync:1: The disk of etcd-1 is slow."))
        for value in ["", "true", "1"] {
            #expect(await api.text(HTTPRequest("GET", "/health", query: ["strict": value])).status == strict)
        }
    }

    @Test func `The worst cluster decides, unless one is chosen`() async {
        let api = MonitorAPI.over(cluster(.ok), cluster(.critical, name: "other"))
        #expect(await api.text(HTTPRequest("GET", "/health")).status == 503)
        #expect(await api.text(HTTPRequest("GET", "/health", query: ["cluster": "main"])).status == 200)
    }

    @Test func `A verdict before the first poll or after the last is unknown, with the reason`() async {
        for (cluster, reason) in [
            (cluster(.ok, poll: 0), "the first poll has not finished"),
            (cluster(.ok, isLive: false), "the polls have stopped"),
        ] {
            let api = MonitorAPI.over(cluster)
            let answer = await api.text(HTTPRequest("GET", "/health"))
            #expect(
                answer.status == 200 && answer.body.contains(#""verdict":"unknown"}"#) && answer.body.contains(reason)
            )
        }
        // It was critical when it was last seen.
        #expect(
            await MonitorAPI.over(cluster(.critical, isLive: false)).text(HTTPRequest("GET", "/health")).status == 503
        )
    }

    @Test func `The probes of the process leave the cluster's health out`() async {
        let api = MonitorAPI.over(cluster(.critical), cluster(.critical, name: "other"))
        for path in ["/healthz", "/readyz"] {
            let answer = await api.text(HTTPRequest("GET", path))
            #expect(answer.status == 200 && answer.body == "ok\n")
            let verbose = await api.text(HTTPRequest("GET", path, query: ["verbose": ""]))
            #expect(verbose.body == "[+]main ok\n[+]other ok\nok\n")
        }
    }

    @Test func `The process is ready after the first poll of every cluster`() async {
        let api = MonitorAPI.over(cluster(.ok), cluster(.ok, poll: 0, name: "other"))
        let answer = await api.text(HTTPRequest("GET", "/readyz"))
        #expect(answer.status == 503)
        #expect(answer.body == "[+]main ok\n[-]other failed: the first poll has not finished\nfailed\n")
        #expect(await api.text(HTTPRequest("GET", "/healthz")).status == 200)
    }

    @Test func `The process is unhealthy once its polls have stopped`() async {
        let api = MonitorAPI.over(cluster(.ok, isLive: false))
        let answer = await api.text(HTTPRequest("GET", "/healthz"))
        #expect(answer.status == 503 && answer.body == "[-]main failed: the polls have stopped\nfailed\n")
        #expect(await api.text(HTTPRequest("GET", "/readyz")).status == 200)
    }
}
