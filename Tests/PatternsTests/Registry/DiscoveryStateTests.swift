// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// In virtual time, without a server.
@Suite("ServiceDiscovery: its state", .unit)
struct DiscoveryStateTests {
    private let start = ContinuousClock.now

    private final class Pool {
        var state: DiscoveryState
        private var seen: ServiceView?
        private var revision: Revision = 1

        init(_ protection: MassLossProtection?, _ count: Int, at now: ContinuousClock.Instant) throws {
            state = DiscoveryState(service: "api", folder: "services/api/", protection: protection)
            try put(0..<count, at: now)
            _ = events()
        }

        func put(_ numbers: Range<Int>, status: ServiceInstance.Status = .up, at now: ContinuousClock.Instant) throws {
            revision = revision.next
            state.apply(puts: try numbers.map { read(try entry($0, status)) }, deletions: [], at: revision, now)
        }

        func delete(_ numbers: Range<Int>, at now: ContinuousClock.Instant) throws {
            revision = revision.next
            state.apply(puts: [], deletions: try numbers.map { try entry($0, .up).key }, at: revision, now)
        }

        func read(_ entry: KeyValue) -> RegistryEntry { RegistryEntry(entry, of: "api", in: "services/api/") }

        private func entry(_ number: Int, _ status: ServiceInstance.Status) throws -> KeyValue {
            let instance = ServiceInstance(
                service: "api",
                id: "\(number)",
                address: "10.0.0.\(number)",
                port: 80,
                status: status
            )
            var entry = KeyValue()
            entry.key = "services/api/\(number)"
            let author = ServiceRecord.Author(generation: 1, nonce: "n")
            entry.value = try ServiceRecord(instance: instance, author: author).encoded()
            return entry
        }

        /// The events since the last call, as names and ids.
        func events() -> [String] {
            defer { seen = state.view }
            return state.step(from: seen).events.map { event in
                let id = event.instance.id
                return switch event {
                case .added: "added \(id)"
                case .updated: "updated \(id)"
                case .removed(_, let reason): "\(reason) \(id)"
                case .suspected: "suspected \(id)"
                case .confirmed: "confirmed \(id)"
                case .healthChanged(_, let isHealthy): "\(isHealthy ? "well" : "ill") \(id)"
                }
            }
        }

        var ids: [String] { state.view.instances.map(\.id) }
    }

    @Test("an instance that crashes is removed as expired, and one that drained before as deregistered")
    func single() throws {
        let pool = try Pool(MassLossProtection(), 5, at: start)
        try pool.delete(0..<1, at: start)
        #expect(pool.events() == ["expired 0"])
        try pool.put(1..<2, status: .draining, at: start)
        #expect(pool.events() == ["updated 1"])
        #expect(pool.state.view.available.map(\.id) == ["2", "3", "4"])
        try pool.delete(1..<2, at: start)
        #expect(pool.events() == ["deregistered 1"])
        // A slow consumer gets the same events.
        try pool.put(2..<3, status: .draining, at: start)
        try pool.delete(2..<3, at: start)
        #expect(pool.events() == ["deregistered 2"])
        #expect(pool.state.view.suspects.isEmpty)
    }

    @Test("a mass loss is kept for its time, whether in one change or in many", arguments: [true, false])
    func massLoss(inOne: Bool) throws {
        let pool = try Pool(MassLossProtection(), 4, at: start)
        if inOne {
            try pool.delete(0..<4, at: start)
            #expect(pool.events() == ["suspected 0", "suspected 1", "suspected 2", "suspected 3"])
        } else {
            for number in 0..<4 { try pool.delete(number..<(number + 1), at: start + .milliseconds(number)) }
            #expect(pool.ids.count == 4)
            #expect(pool.events().count == 4)
        }
        #expect(pool.state.view.available.count == 4)
        #expect(pool.state.view.suspects.map(\.id) == ["0", "1", "2", "3"])
        // One registers again.
        try pool.put(2..<3, at: start + .seconds(1))
        #expect(pool.events() == ["confirmed 2"])
        let end = try #require(pool.state.nextExpiry)
        #expect(end == start + .seconds(30) + (inOne ? .zero : .milliseconds(2)))
        pool.state.expire(end - .milliseconds(1))
        #expect(pool.events().isEmpty)
        pool.state.expire(end + .milliseconds(1))
        #expect(pool.events() == ["expired 0", "expired 1", "expired 3"])
        #expect(pool.ids == ["2"] && pool.state.nextExpiry == nil)
    }

    @Test("the first victims come back when the loss turns out to be a mass loss")
    func growing() throws {
        let pool = try Pool(MassLossProtection(), 4, at: start)
        try pool.delete(0..<1, at: start)
        try pool.delete(1..<2, at: start + .seconds(1))
        #expect(pool.events() == ["expired 0", "expired 1"])
        try pool.delete(2..<3, at: start + .seconds(2))
        #expect(pool.events() == ["added 0", "suspected 0", "added 1", "suspected 1", "suspected 2"])
    }

    enum Harmless: CaseIterable {
        case tooFew, half, slow, deregistered, replaced, off
    }

    @Test("a loss that is not a mass loss takes effect at once", arguments: Harmless.allCases)
    func noMassLoss(_ harmless: Harmless) throws {
        let pool = try Pool(harmless == .off ? nil : MassLossProtection(), harmless == .tooFew ? 2 : 6, at: start)
        switch harmless {
        case .tooFew: try pool.delete(0..<2, at: start)
        case .half: try pool.delete(0..<3, at: start)
        case .slow: for number in 0..<6 { try pool.delete(number..<(number + 1), at: start + .seconds(3 * number)) }
        case .deregistered:
            try pool.put(0..<6, status: .draining, at: start)
            try pool.delete(0..<6, at: start)
        case .replaced:
            try pool.put(6..<12, at: start)
            try pool.delete(0..<6, at: start)
        case .off: try pool.delete(0..<6, at: start)
        }
        #expect(pool.state.view.suspects.isEmpty)
        #expect(pool.events().allSatisfy { !$0.hasPrefix("suspected") })
        #expect(pool.ids.count == (harmless == .half ? 3 : harmless == .replaced ? 6 : 0))
    }

    @Test("an invalid entry is left out and reported, until it is valid again or gone")
    func poison() throws {
        let pool = try Pool(nil, 2, at: start)
        var junk = KeyValue()
        junk.key = "services/api/1"
        junk.value = "junk"
        pool.state.apply(puts: [pool.read(junk)], deletions: [], at: 9, start)
        #expect(pool.events() == ["expired 1"])
        #expect(pool.state.view.problems.map(\.key) == ["services/api/1"])
        try pool.put(1..<2, at: start)
        #expect(pool.events() == ["added 1"])
        #expect(pool.state.view.problems.isEmpty)
        junk.key = "services/api/nested/x"
        pool.state.apply(puts: [pool.read(junk)], deletions: [], at: 10, start)
        #expect(pool.state.view.problems.map(\.key) == ["services/api/nested/x"])
        pool.state.apply(puts: [], deletions: [junk.key], at: 11, start)
        #expect(pool.state.view.problems.isEmpty && pool.events().isEmpty)
    }

    @Test("health changes after the configured number of checks in a row, and not before")
    func hysteresis() {
        var check = HealthCheck { _ in }
        check.rise = 2
        check.fall = 3
        var health = Health()
        // An instance that alternates at each check keeps its state.
        func note(_ outcomes: [Bool]) -> [Bool] { outcomes.map { health.note($0, check) } }
        #expect(!note((0..<20).map { $0 % 2 == 0 }).contains(true))
        #expect(health.isHealthy)
        #expect(note([true, false, false, true, false, false, false]).firstIndex(of: true) == 6)
        #expect(!health.isHealthy)
        #expect(note([false, true, false, true, true]).firstIndex(of: true) == 4)
        #expect(health.isHealthy)
    }

    @Test("an instance that fails the checks takes no requests; one that has moved starts healthy")
    func checks() throws {
        var check = HealthCheck { _ in }
        check.fall = 1
        let pool = try Pool(MassLossProtection(), 3, at: start)
        let instance = try #require(pool.state.instance("1"))
        pool.state.note(false, of: instance, check)
        #expect(pool.events() == ["ill 1"])
        #expect(pool.state.view.available.map(\.id) == ["0", "2"])
        // Its health is remembered through a mass loss.
        try pool.delete(0..<3, at: start)
        #expect(pool.state.view.available.map(\.id) == ["0", "2"])
        try pool.put(0..<3, at: start)
        _ = pool.events()
        var moved = instance
        moved.port = 81
        pool.state.note(true, of: moved, check)
        #expect(pool.events().isEmpty, "a check of another address is ignored")
        let version = pool.state.version
        pool.state.note(false, of: instance, check)
        #expect(pool.state.version == version, "a check without a change leads to no new version")
    }
}
