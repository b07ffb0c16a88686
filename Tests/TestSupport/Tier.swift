// SPDX-License-Identifier: Apache-2.0

package import Testing

/// The needs of a suite's tests, by which `scripts/test.sh` decides when and beside which others it runs them.
///
/// Each suite names its tier in its declaration, as in `@Suite("Locks", .live)`.
package struct Tier: SuiteTrait {
    /// The name by which the script knows it.
    package let name: String
}

extension Trait where Self == Tier {
    /// Starts no etcd and no other server program.
    package static var unit: Self { Tier(name: "unit") }

    /// Shares one etcd with the other tests of its process, each of which keeps to names of its own.
    package static var live: Self { Tier(name: "live") }

    /// Starts clusters, processes or servers of its own, so that few of its tests run at once.
    package static var cluster: Self { Tier(name: "cluster") }

    /// Measures times, memory or processor time, while no other test runs in its process.
    package static var measurement: Self { Tier(name: "measurement") }

    /// Takes long, and has a short form and a long one if it can; see ``TestScale``.
    package static var slow: Self { Tier(name: "slow") }
}
