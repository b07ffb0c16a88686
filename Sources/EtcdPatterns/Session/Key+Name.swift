// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Key {
    /// The key without its first bytes, as many as `prefix` has.
    func dropping(_ prefix: Key) -> Key { Key(bytes: Array(bytes.dropFirst(prefix.bytes.count))) }

    /// Refuses a name that cannot be followed by a slash and more in keys.
    ///
    /// An empty part, as in `/`, `a/` and `a//b`, would put the keys of one name among those of another. Only the first
    /// part may be empty, since many names begin with a slash.
    ///
    /// - Parameter what: The kind of thing that has the name, for the error: `lock`.
    /// - Throws: `emptyKey` or `invalidArgument`.
    func checkName(of what: String) throws(EtcdError) {
        if bytes.isEmpty { throw EtcdError(.emptyKey, "the name of the \(what) is empty") }
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if parts.dropFirst().contains(where: \.isEmpty) {
            throw EtcdError(
                .invalidArgument,
                "\"\(self)\" cannot be the name of a \(what): a part of it, between or behind slashes, is empty"
            )
        }
    }
}
