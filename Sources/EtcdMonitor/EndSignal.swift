// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation

/// The signals that ask the program to stop.
enum EndSignal {
    /// Waits for SIGTERM or SIGINT.
    ///
    /// A second one then stops the program at once.
    ///
    /// - Returns: The number of the signal; nil if the task was cancelled.
    @discardableResult
    static func wait() async -> Int32? {
        let numbers = [SIGTERM, SIGINT]
        let (signals, continuation) = AsyncStream.makeStream(of: Int32.self)
        let sources = numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield(number) }
            source.resume()
            return source
        }
        let number = await signals.first { _ in true }
        for source in sources { source.cancel() }
        for number in numbers { signal(number, SIG_DFL) }
        return number
    }
}
