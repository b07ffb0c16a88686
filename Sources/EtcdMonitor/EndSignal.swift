// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation

/// The wish of the system or of the user that the program end.
enum EndSignal {
    /// Waits for SIGTERM or SIGINT; a second one then ends the program at once, as if nobody waited.
    ///
    /// Returns early when the task is cancelled.
    static func wait() async {
        let numbers = [SIGTERM, SIGINT]
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
        let sources = numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield() }
            source.resume()
            return source
        }
        for await _ in signals { break }
        for source in sources { source.cancel() }
        for number in numbers { signal(number, SIG_DFL) }
    }
}
