// SPDX-License-Identifier: Apache-2.0

/// How often requests may be retried: retries help with single failures, and do harm if all requests fail.
public struct RetryBudget: Sendable, Hashable {
    /// The number of retries for each request: 0.2 allows one for five requests.
    public var share: Double
    /// The number of retries that may be saved up; a balancer begins with as many.
    public var reserve: Int
    /// The number of instances that may be tried for one request, at least 1.
    public var maximumAttempts: Int

    /// Makes a budget.
    ///
    /// - Parameters:
    ///   - share: The number of retries for each request, at least 0.
    ///   - reserve: The number of retries that may be saved up, and are there at the beginning.
    ///   - maximumAttempts: The number of instances that may be tried for one request.
    public init(share: Double = 0.2, reserve: Int = 10, maximumAttempts: Int = 3) {
        self.share = share
        self.reserve = reserve
        self.maximumAttempts = maximumAttempts
    }
}

/// The retries that are left: a bucket of tokens.
struct RetryTokens: Sendable {
    private let budget: RetryBudget
    private var count: Double

    init(_ budget: RetryBudget) {
        self.budget = budget
        count = Double(max(0, budget.reserve))
    }

    var isEmpty: Bool { count < 1 }

    mutating func earn() { count = min(count + max(0, budget.share), Double(max(0, budget.reserve))) }

    mutating func spend() { count -= 1 }
}
