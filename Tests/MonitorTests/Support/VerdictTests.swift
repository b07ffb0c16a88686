// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Testing

@Suite(.unit) struct VerdictTests {
    @Test func `Verdicts are ordered from good to bad`() {
        #expect(Verdict.allCases == Verdict.allCases.sorted())
        #expect([Verdict.unknown, .critical, .ok].max() == .critical)
    }
}
