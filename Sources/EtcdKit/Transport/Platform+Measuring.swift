// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

// Clocks and counters for measurements.
extension Platform {
    /// Nanoseconds since some moment, by a clock that never goes back; the cheapest reading there is.
    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Nanoseconds by the clock of `ContinuousClock`, which goes on while the machine sleeps.
    static var continuousNanoseconds: Int64 {
        var time = timespec()
        #if canImport(Darwin)
            clock_gettime(CLOCK_MONOTONIC_RAW, &time)
        #else
            clock_gettime(CLOCK_BOOTTIME, &time)
        #endif
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    /// The processor time that this process has used, and the most memory that it has ever had, in bytes.
    package static var usage: (processorTime: Duration, peakMemory: Int64) {
        var usage = rusage()
        #if canImport(Glibc)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #else
            getrusage(RUSAGE_SELF, &usage)
        #endif
        func duration(_ time: timeval) -> Duration { .seconds(Int64(time.tv_sec)) + .microseconds(Int64(time.tv_usec)) }
        #if canImport(Darwin)
            let unit: Int64 = 1
        #else
            let unit: Int64 = 1024
        #endif
        return (duration(usage.ru_utime) + duration(usage.ru_stime), Int64(usage.ru_maxrss) * unit)
    }

    /// Appends bytes to a file, and returns when they are on the disk.
    package static func writeDurably(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
        try writeAll(bytes, to: descriptor)
        #if canImport(Darwin)
            // There, `fsync` leaves the bytes in the disk's own memory.
            _ = try uninterrupted("fcntl") { fcntl(descriptor, F_FULLFSYNC) }
        #else
            _ = try uninterrupted("fdatasync") { fdatasync(descriptor) }
        #endif
    }

    /// Reserves room for so many bytes of a file, where the file system can, as etcd does for its log.
    package static func reserve(_ size: Int, in descriptor: Int32) throws(SystemError) {
        #if !canImport(Darwin)
            let code = posix_fallocate(descriptor, 0, off_t(size))
            guard code == 0 || code == EOPNOTSUPP || code == EINVAL else {
                throw SystemError(call: "posix_fallocate", number: code)
            }
        #endif
    }
}
