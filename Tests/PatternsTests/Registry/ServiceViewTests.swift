// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Foundation
import Testing

@Suite("ServiceView, and descriptions of a registry", .unit)
struct ServiceViewTests {
    private func instance(_ id: String, _ status: ServiceInstance.Status = .up) -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "::1", port: 80, status: status)
    }

    @Test("a view can be made of instances, for tests of code that uses one")
    func made() {
        let view = ServiceView(service: "api", instances: [instance("b"), instance("a", .draining)], revision: 7)
        #expect(view.instances.map(\.id) == ["a", "b"] && view.available.map(\.id) == ["b"])
        #expect(view["b"] == instance("b") && view["c"] == nil && view.revision == 7)
        #expect(view.suspects.isEmpty && view.unhealthy.isEmpty && view.problems.isEmpty)
        #expect("\(view)" == "2 instances of \"api\" at revision 7, 1 of them available")
    }

    @Test("descriptions are sentences for a log, without the names of types")
    func descriptions() {
        let one = instance("a")
        #expect("\(one)" == "api/a at [::1]:80")
        #expect("\(ServiceEvent.removed(one, .expired))" == "removed api/a at [::1]:80: expired")
        #expect("\(ServiceEvent.healthChanged(one, isHealthy: false))" == "unhealthy api/a at [::1]:80")
        #expect("\(RegistrationState.pending(nil))" == "pending")
        #expect("\(RegistrationState.registered(at: 5))" == "registered at revision 5")
        #expect("\(RegistrationState.superseded(by: one))" == "superseded by api/a at [::1]:80")
        #expect("\(StateSource.etcd(since: .now)) \(StateSource.nothing(since: .now))" == "etcd nothing")
        let error = NoInstanceAvailable(service: "api", draining: 1, isStale: true)
        #expect(error.localizedDescription == error.description && error.description.contains("1 draining"))
        let problem = RegistryProblem(key: "services/api/a", value: "junk", reason: "not JSON")
        #expect(problem.localizedDescription == "services/api/a: not JSON: junk")
    }
}
