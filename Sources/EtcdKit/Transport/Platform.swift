// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The operating system, as far as this package uses it: only the files `Platform….swift` import the C library.
package enum Platform {
    package static func message(of number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
        return string(buffer)
    }

    static func string(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func areEqual(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Bool {
        guard first.count == second.count else { return false }
        guard let first = first.baseAddress, let other = second.baseAddress else { return true }
        return memcmp(first, other, second.count) == 0
    }

    /// Runs `call` until it is not interrupted by a signal.
    static func uninterrupted<Result: FixedWidthInteger & SignedInteger>(
        _ name: String,
        _ call: () -> Result
    ) throws(SystemError) -> Result {
        while true {
            let result = call()
            if result >= 0 { return result }
            if errno != EINTR { throw SystemError(call: name, number: errno) }
        }
    }

    // MARK: Clocks and counters

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

    // MARK: Threads

    /// Starts a detached thread that runs `body`, with a stack of `stackSize` bytes, or of the system's choice.
    package static func startThread(
        stackSize: Int? = nil,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        if let stackSize {
            let code = pthread_attr_setstacksize(&attributes, stackSize)
            if code != 0 { throw SystemError(call: "pthread_attr_setstacksize", number: code) }
        }
        let context = Unmanaged.passRetained(ThreadBody(body))
        #if canImport(Darwin)
            var thread: pthread_t?
        #else
            var thread = pthread_t()
        #endif
        let code = pthread_create(&thread, &attributes, threadMain, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SystemError(call: "pthread_create", number: code)
        }
        #if canImport(Darwin)
            guard let thread else { return }
        #endif
        pthread_detach(thread)
    }

    /// Identifies the calling thread for as long as it runs.
    package static var currentThread: UInt {
        #if canImport(Darwin)
            UInt(bitPattern: pthread_self())
        #else
            UInt(pthread_self())
        #endif
    }

    // MARK: Mutexes

    typealias Mutex = pthread_mutex_t

    static func initialize(_ mutex: UnsafeMutablePointer<Mutex>) {
        mutex.initialize(to: Mutex())
        pthread_mutex_init(mutex, nil)
    }

    static func lock(_ mutex: UnsafeMutablePointer<Mutex>) { pthread_mutex_lock(mutex) }

    static func tryLock(_ mutex: UnsafeMutablePointer<Mutex>) -> Bool { pthread_mutex_trylock(mutex) == 0 }

    static func unlock(_ mutex: UnsafeMutablePointer<Mutex>) { pthread_mutex_unlock(mutex) }

    static func deinitialize(_ mutex: UnsafeMutablePointer<Mutex>) {
        pthread_mutex_destroy(mutex)
        mutex.deinitialize(count: 1)
    }
}

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}

#if canImport(Darwin)
    private func threadMain(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        runThread(context)
    }
#else
    private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        context.flatMap(runThread)
    }
#endif

private func runThread(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let thread = Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
    thread.body()
    return nil
}

/// A system call that failed.
package struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    package let call: String
    package let number: Int32

    package var description: String { "\(call): \(reason)" }
    /// The error, without the name of the call.
    package var reason: String { Platform.message(of: number) }
}
