// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

// Files. All of this may block, so none of it belongs on the loop.
extension Platform {
    /// Numbers that change when a file is written or replaced.
    static func stamp(ofFile path: String) throws(SystemError) -> [Int64] {
        var info = stat()
        _ = try uninterrupted("stat") { stat(path, &info) }
        #if canImport(Darwin)
            let times = [info.st_mtimespec, info.st_ctimespec]
        #else
            let times = [info.st_mtim, info.st_ctim]
        #endif
        let numbers = [Int64(info.st_dev), Int64(truncatingIfNeeded: info.st_ino), Int64(info.st_size)]
        return numbers + times.flatMap { [Int64($0.tv_sec), Int64($0.tv_nsec)] }
    }

    /// Whether there is anything of this name.
    static func exists(_ path: String) -> Bool {
        var info = stat()
        return lstat(path, &info) == 0
    }

    /// Makes a file that did not exist, for its owner only, and opens it for writing.
    package static func createFile(_ path: String) throws(SystemError) -> Int32 {
        try uninterrupted("open") { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
    }

    package static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(SystemError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            rest = rest.dropFirst(
                try uninterrupted("write") { rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } }
            )
        }
    }

    /// Returns when the written bytes are on the disk.
    static func synchronize(_ descriptor: Int32) throws(SystemError) {
        _ = try uninterrupted("fsync") { fsync(descriptor) }
    }

    /// Opens a folder, to be synchronized.
    static func openFolder(_ path: String) throws(SystemError) -> Int32 {
        try uninterrupted("open") { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }

    /// Returns when the names in a folder are on the disk.
    package static func synchronize(folder descriptor: Int32) throws(SystemError) {
        // Not every file system does this for folders.
        if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP { throw SystemError(call: "fsync", number: errno) }
    }

    /// Renames a file; if `replacing`, it may replace another file.
    ///
    /// - Returns: False if there is such a file, and it may not be replaced.
    static func move(_ path: String, to target: String, replacing: Bool) throws(SystemError) -> Bool {
        if !replacing {
            // Unlike `rename`, `link` fails if there is one. Not every file system has links.
            if link(path, target) == 0 {
                remove(path)
                return true
            }
            if errno == EEXIST || exists(target) { return false }
        }
        _ = try uninterrupted("rename") { rename(path, target) }
        return true
    }

    package static func remove(_ path: String) {
        unlink(path)
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
