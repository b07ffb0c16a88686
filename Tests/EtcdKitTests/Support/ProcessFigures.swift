// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What this process takes up, from Linux's `/proc`.
enum ProcessFigures {
    static let areAvailable = FileManager.default.fileExists(atPath: "/proc/self/statm")

    /// ThreadSanitizer multiplies memory, so figures of it mean nothing there.
    static let isThreadSanitized = dlsym(dlopen(nil, RTLD_NOW), "__tsan_init") != nil

    static var descriptorCount: Int { count("/proc/self/fd") }

    static var threadCount: Int { count("/proc/self/task") }

    /// Resident memory in bytes.
    static var residentMemory: Int {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    private static func count(_ folder: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }
}
