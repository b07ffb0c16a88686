// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit

/// The stack of a thread, as glibc knows it.
enum Stack {
    private typealias GetAttributes = @convention(c) (pthread_t, UnsafeMutablePointer<pthread_attr_t>) -> Int32

    // Glibc hides it from Swift.
    private static let getAttributes = dlsym(dlopen(nil, RTLD_NOW), "pthread_getattr_np").map {
        unsafeBitCast($0, to: GetAttributes.self)
    }

    static let isKnown = getAttributes != nil

    /// The size of the calling thread's stack in bytes; 0 if it is not known.
    static var ownSize: Int {
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        guard getAttributes?(pthread_self(), attributes) == 0 else { return 0 }
        defer { pthread_attr_destroy(attributes) }
        var size = 0
        pthread_attr_getstacksize(attributes, &size)
        return size
    }

    /// The size of the event loop's stack.
    @EventLoop static var size: Int { ownSize }
}
