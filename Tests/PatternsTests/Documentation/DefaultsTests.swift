// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The defaults of the public API, as they stand in its sources: of options, and of parameters.
///
/// A default is a promise. A change of one must be made here, too, and noted in CHANGELOG.md.
@Suite("Defaults of the patterns", .unit)
struct DefaultsTests {
    @Test("the defaults in the sources and in this table are the same")
    func table() throws {
        let found = try Self.defaults()
        let missing = Self.expected.subtracting(found).sorted()
        let new = found.subtracting(Self.expected).sorted()
        #expect(missing.isEmpty, "not there: \(missing.joined(separator: "\n"))")
        #expect(new.isEmpty, "not in the table: \(new.joined(separator: "\n"))")
    }

    private static func defaults() throws -> Set<String> {
        var found: Set<String> = []
        for file in try Repository.files(in: "Sources/EtcdPatterns", ending: ".swift") {
            found.formUnion(try defaults(in: String(contentsOf: file, encoding: .utf8)))
        }
        return found
    }

    /// The defaults in a file, each as `Type.declaration: name = value`.
    private static func defaults(in source: String) throws -> [String] {
        var found: [String] = []
        var types: [(indentation: Int, name: String)] = []
        let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
            .filter { !$0.drop { $0 == " " }.hasPrefix("//") }
        for (number, line) in lines.enumerated() {
            let indentation = line.prefix { $0 == " " }.count
            types.removeAll { $0.indentation >= indentation && !line.isEmpty }
            if line.contains("{"),
                let match = line.firstMatch(of: /\b(?:struct|class|enum|extension|actor|protocol) ([A-Z][\w.]*)/)
            {
                types.append((indentation, String(match.1)))
            }
            // Regular expressions are slow.
            guard line.contains("public") else { continue }
            let type = types.map(\.name).joined(separator: ".")
            if let match = line.firstMatch(
                of: /public (?:internal\(set\) |private\(set\) )?var (\w+)(?:: [^={]+)? = (.+)/
            ) {
                found.append("\(type): \(match.1) = \(match.2)")
            }
            guard
                let match = line.firstMatch(
                    of: /public (?:convenience |static |mutating )*(init|func \w+|func [^\s(]+)/
                )
            else {
                continue
            }
            // The parameters stand in this line, or each in one of its own.
            var text = String(line)
            for next in lines.dropFirst(number + 1) where !isBalanced(text) { text += " " + next.drop { $0 == " " } }
            let name = match.1.replacing("func ", with: "")
            for parameter in text.matches(
                of: /(?:[(,] *)(\w+)(?: \w+)?: (?:[^,()]|\([^()]*\))+? = ((?:[^,()]|\([^()]*\))+)/
            ) {
                let value = parameter.2.trimmingCharacters(in: .whitespaces)
                found.append("\(type).\(name): \(parameter.1) = \(value)")
            }
        }
        return found
    }

    private static func isBalanced(_ text: String) -> Bool {
        text.count { $0 == "(" } == text.count { $0 == ")" }
    }

    private static let expected: Set<String> = [
        #"BalancingPolicy.consistentHash: excess = 0.25"#,
        #"BalancingPolicy.peakEWMA: choices = 2"#,
        #"BalancingPolicy.peakEWMA: decay = .seconds(10)"#,
        #"Barrier.wait: timeout = nil"#,
        #"Barrier: owner = NamedQueue.process"#,
        #"BarrierParticipation.release: timeout = .seconds(5)"#,
        #"BusyError.init: cause = nil"#,
        #"ConfigChange.value: as = Wanted.self"#,
        #"ConfigEdit.value: as = Wanted.self"#,
        #"ConfigError.init: cause = nil"#,
        #"ConfigError.init: key = nil"#,
        #"ConfigError.init: value = nil"#,
        #"ConfigManager.changes: interval = .zero"#,
        #"ConfigManager.changes: of = nil"#,
        #"ConfigManager.init: onEvent = { _ in }"#,
        #"ConfigManager.init: options = ConfigOptions()"#,
        #"ConfigManager.update: as = Wanted.self"#,
        #"ConfigOptions.File.init: maximumAge = nil"#,
        #"ConfigOptions.init: file = nil"#,
        #"ConfigOptions.init: initialWait = .seconds(5)"#,
        #"ConfigReading.decode: as = Wanted.self"#,
        #"ConfigReading.value: as = Wanted.self"#,
        #"ConfigReading.values: under = nil"#,
        #"ConfigView.changes: under = nil"#,
        #"ConfigView.init: revision = 0"#,
        #"CoordinationLoss.init: at = .now"#,
        #"CoordinationLoss.init: cause = nil"#,
        #"DiscoveryOptions: initialWait = Duration.seconds(5)"#,
        #"DiscoveryOptions: massLoss = MassLossProtection()"#,
        #"DistributedLock.acquire: timeout = nil"#,
        #"DistributedLock.withLock: timeout = nil"#,
        #"DistributedLock: owner = NamedQueue.process"#,
        #"DoubleBarrier.enter: timeout = nil"#,
        #"DoubleBarrier.withBarrier: timeout = nil"#,
        #"EtcdClient.withConfiguration: onEvent = { _ in }"#,
        #"EtcdClient.withConfiguration: options = ConfigOptions()"#,
        #"EtcdClient.withFeatureFlags: initialWait = .seconds(5)"#,
        #"EtcdClient.withFeatureFlags: staleAfter = .seconds(30)"#,
        #"EtcdClient.withSession: timeToLive = .seconds(15)"#,
        #"FeatureFlag.Condition: isNegated = false"#,
        #"FeatureFlag.Serving.percentage: by = nil"#,
        #"FeatureFlag.Serving.percentage: of = "on""#,
        #"FeatureFlag.Serving.percentage: otherwise = "off""#,
        #"FeatureFlag.Serving.split: by = nil"#,
        #"FeatureFlag.Split.init: attribute = nil"#,
        #"FeatureFlag.init: isEnabled = true"#,
        #"FeatureFlag.init: off = nil"#,
        #"FeatureFlag.init: rules = []"#,
        #"FeatureFlag.init: serve = .variant("on")"#,
        #"FeatureFlags.init: initialWait = .seconds(5)"#,
        #"FeatureFlags.init: staleAfter = .seconds(30)"#,
        #"FenceGate.init: highest = 0"#,
        #"FlagChange.init: removed = []"#,
        #"FlagChange.init: updated = []"#,
        #"FlagContext.init: _ = nil"#,
        #"FlagContext.init: attributes = [:]"#,
        #"FlagEvaluation.init: error = nil"#,
        #"FlagReading.evaluate: for = FlagContext()"#,
        #"FlagReading.explain: for = FlagContext()"#,
        #"FlagReading.isEnabled: for = FlagContext()"#,
        #"FlagReading.value: for = FlagContext()"#,
        #"Grant.guarded: else = []"#,
        #"Grant.guarded: if = []"#,
        #"HealthCheck: fall = 3"#,
        #"HealthCheck: interval = Duration.seconds(5)"#,
        #"HealthCheck: rise = 2"#,
        #"HealthCheck: timeout = Duration.seconds(2)"#,
        #"HighAvailabilityCoordinator.init: onEvent = { _ in }"#,
        #"LeaderElection.Candidate.init: lease = nil"#,
        #"LeaderElection.campaign: timeout = nil"#,
        #"LeaderElection.init: onEvent = { _ in }"#,
        #"LeaderElection.lead: timeout = nil"#,
        #"LeaderElection: backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(10), multiplier: 2)"#,
        #"LeaderElection: drainTime = Duration.zero"#,
        #"LeaderTask.Status.init: lastCompleted = nil"#,
        #"LeaderTask.Status.init: missedCount = 0"#,
        #"LeaderTask.init: anchor = Date(timeIntervalSince1970: 0)"#,
        #"LeaderTask.init: missedRuns = .once"#,
        #"LeaderTask.init: onEvent = { _ in }"#,
        #"LeaderTerm.resign: timeout = .seconds(5)"#,
        #"LoadBalancer.init: options = LoadBalancerOptions()"#,
        #"LoadBalancer.init: policy = .roundRobin"#,
        #"LoadBalancer.pick: for = nil"#,
        #"LoadBalancer.waitUntilAvailable: timeout = nil"#,
        #"LoadBalancer.withInstance: for = nil"#,
        #"LoadBalancer.withInstance: retryIf = { _ in false }"#,
        #"LoadBalancerOptions.init: excluding = []"#,
        #"LoadBalancerOptions.init: zone = nil"#,
        #"LoadBalancerOptions: isFailure = { _ in true }"#,
        #"LoadBalancerOptions: outliers = OutlierDetection()"#,
        #"LoadBalancerOptions: retries = RetryBudget()"#,
        #"LockGrant.release: timeout = .seconds(5)"#,
        #"LockManager.acquire: timeout = nil"#,
        #"LockManager.withLocks: timeout = nil"#,
        #"LockManager: owner = NamedQueue.process"#,
        #"LockSet.release: timeout = .seconds(5)"#,
        #"MassLossProtection: grace = Duration.seconds(30)"#,
        #"MassLossProtection: minimum = 3"#,
        #"MassLossProtection: share = 0.5"#,
        #"MassLossProtection: window = Duration.seconds(5)"#,
        #"MemberGroup.join: initialWait = .seconds(5)"#,
        #"MemberGroup.join: timeout = nil"#,
        #"MemberGroup.join: value = """#,
        #"MemberGroup.withMembership: initialWait = .seconds(5)"#,
        #"MemberGroup.withMembership: timeout = nil"#,
        #"MemberGroup.withMembership: value = """#,
        #"Membership.leave: timeout = .seconds(5)"#,
        #"NoInstanceAvailable.init: down = 0"#,
        #"NoInstanceAvailable.init: draining = 0"#,
        #"NoInstanceAvailable.init: isStale = false"#,
        #"OutlierDetection: baseEjection = Duration.seconds(30)"#,
        #"OutlierDetection: consecutiveFailures = 5"#,
        #"OutlierDetection: interval = Duration.seconds(10)"#,
        #"OutlierDetection: jitter = 0.1"#,
        #"OutlierDetection: maximumEjectedShare = 0.5"#,
        #"OutlierDetection: maximumEjection = Duration.seconds(300)"#,
        #"OutlierDetection: minimumVolume = 20"#,
        #"OutlierDetection: panicThreshold = 0.5"#,
        #"OutlierDetection: probes = 3"#,
        #"OutlierDetection: successRateMargin = 0.3"#,
        #"PickedInstance.finish: _ = .success"#,
        #"QueueEntry.init: isShared = false"#,
        #"QueueEntry.init: lease = nil"#,
        #"QueueEntry.init: owner = """#,
        #"RaisedBarrier.release: timeout = .seconds(5)"#,
        #"ReadWriteLock: owner = NamedQueue.process"#,
        #"Registration.deregister: timeout = .seconds(5)"#,
        #"Registration.drain: _ = {}"#,
        #"Registration.drain: propagation = .seconds(5)"#,
        #"Registration.drain: timeout = .seconds(20)"#,
        #"RetryBudget.init: maximumAttempts = 3"#,
        #"RetryBudget.init: reserve = 10"#,
        #"RetryBudget.init: share = 0.2"#,
        #"Semaphore.acquire: timeout = nil"#,
        #"Semaphore.withSlot: timeout = nil"#,
        #"Semaphore: owner = NamedQueue.process"#,
        #"SemaphoreSlot.release: timeout = .seconds(5)"#,
        #"ServiceDiscovery.waitUntilAvailable: atLeast = 1"#,
        #"ServiceInstance.init: metadata = [:]"#,
        #"ServiceInstance.init: status = .up"#,
        #"ServiceInstance.init: weight = 1"#,
        #"ServiceInstance.init: zone = nil"#,
        #"ServiceRegistry.discovery: options = DiscoveryOptions()"#,
        #"ServiceRegistry.init: prefix = "services""#,
        #"ServiceRegistry.loadBalancer: discovery = DiscoveryOptions()"#,
        #"ServiceRegistry.loadBalancer: options = LoadBalancerOptions()"#,
        #"ServiceRegistry.loadBalancer: policy = .roundRobin"#,
        #"ServiceRegistry.register: check = nil"#,
        #"ServiceRegistry.register: initialWait = .seconds(5)"#,
        #"ServiceRegistry.register: timeToLive = .seconds(10)"#,
        #"ServiceRegistry.withDiscovery: options = DiscoveryOptions()"#,
        #"ServiceRegistry.withLoadBalancer: discovery = DiscoveryOptions()"#,
        #"ServiceRegistry.withLoadBalancer: options = LoadBalancerOptions()"#,
        #"ServiceRegistry.withLoadBalancer: policy = .roundRobin"#,
        #"ServiceRegistry.withRegistration: check = nil"#,
        #"ServiceRegistry.withRegistration: initialWait = .seconds(5)"#,
        #"ServiceRegistry.withRegistration: timeToLive = .seconds(10)"#,
        #"ServiceView.init: revision = 0"#,
        #"Session.close: timeout = .seconds(5)"#,
        #"Session.init: timeToLive = .seconds(15)"#,
        #"SessionSource.client: timeToLive = .seconds(15)"#,
        #"ShardCoordinator.init: drainTime = .seconds(10)"#,
        #"ShardCoordinator.init: onEvent = { _ in }"#,
        #"ShardCoordinator.init: restartGrace = .zero"#,
        #"ShardCoordinator.init: timeToLive = .seconds(15)"#,
        #"SnapshotManager.create: _ = nil"#,
        #"SnapshotManager.create: reason = """#,
        #"SnapshotManager.replace: expecting = nil"#,
        #"SnapshotManager.restore: expecting = nil"#,
        #"SnapshotManager: author = "\(ProcessInfo.processInfo.processName) \(ProcessInfo.processInfo.processIdentifier)""#,
    ]
}
