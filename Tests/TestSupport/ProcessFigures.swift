// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The memory, sockets, threads and processor time of this process, from Linux's `/proc`.
package enum ProcessFigures {
    package static let areAvailable = FileManager.default.fileExists(atPath: "/proc/self/statm")

    /// Whether this is a build with ThreadSanitizer, which multiplies memory.
    package static let isThreadSanitized = dlsym(dlopen(nil, RTLD_NOW), "__tsan_init") != nil

    /// The open sockets; other descriptors come and go with Dispatch's timers.
    package static var socketCount: Int {
        let folder = "/proc/self/fd"
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let targets = descriptors.compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
        }
        return targets.count { $0.hasPrefix("socket:") }
    }

    package static var threadCount: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
    }

    /// Gives free memory back to the system, so that later growth shows.
    package static func releaseFreeMemory() {
        // Only glibc has it.
        guard let function = dlsym(dlopen(nil, RTLD_NOW), "malloc_trim") else { return }
        typealias Trim = @convention(c) (Int) -> Int32
        _ = unsafeBitCast(function, to: Trim.self)(0)
    }

    /// The processor time that this process has used, on all its threads.
    package static var processorTime: Duration {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Resident memory in bytes.
    package static var residentMemory: Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }
}
