// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Endpoint: missing methods", .unit, .timeLimit(.minutes(1)))
struct MissingMethodsTests {
    @Test("are remembered for each endpoint and method separately, and tried again later")
    func memory() throws {
        let (old, new) = (try Endpoint("a:1"), try Endpoint("b:1"))
        let methods = MissingMethods()
        let now = ContinuousClock.now
        #expect(methods.endpoints(without: "m", now: now).isEmpty)
        methods.note("m", at: old, now: now)
        methods.note("n", at: new, now: now)
        #expect(methods.endpoints(without: "m", now: now) == [old])
        #expect(methods.endpoints(without: "n", now: now) == [new])
        let later = now + MissingMethods.memory
        #expect(methods.endpoints(without: "m", now: later - .seconds(1)) == [old])
        #expect(methods.endpoints(without: "m", now: later).isEmpty)
        methods.note("m", at: new, now: later)
        #expect(methods.endpoints(without: "m", now: later) == [new])
    }
}
