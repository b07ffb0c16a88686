// SPDX-License-Identifier: Apache-2.0

/// Finds the part of a split for a subject.
///
/// The place of a subject is a 32-bit hash of the split's group and the subject, taken as a fraction. It does not depend
/// on the weights, so a part that grows at the expense of those after it keeps its subjects.
struct Rollout: Sendable {
    /// The end of each part, in the sum of all weights.
    private let ends: [UInt64]

    /// A split by weights, none of them negative, whose sum is from 1 to 2^31 - 1.
    init?(_ weights: [Int]) {
        var sum = 0
        var ends: [UInt64] = []
        for weight in weights {
            guard weight >= 0, weight <= Int(Int32.max) - sum else { return nil }
            sum += weight
            ends.append(UInt64(sum))
        }
        if sum == 0 { return nil }
        self.ends = ends
    }

    /// The number of the part that `subject` is in.
    func part(of subject: String, in group: String) -> Int {
        var hash = MurmurHash3()
        hash.combine(group)
        hash.combine(UInt8(ascii: ":"))
        hash.combine(subject)
        let bucket = (UInt64(hash.value) * (ends.last ?? 0)) >> 32
        return ends.firstIndex { bucket < $0 } ?? 0
    }
}
