// SPDX-License-Identifier: Apache-2.0

/// Where certificates or a key in PEM form come from.
///
/// Neither its description nor its mirror shows what it holds.
public enum PEMSource: Sendable, Hashable {
    /// A file, which is read again when it has changed.
    case file(String)
    /// The PEM itself, as bytes.
    case bytes([UInt8])
    /// The PEM itself, as text.
    case text(String)

    /// Reads the file, if it is one; otherwise, `role` is its name in messages.
    func load(as role: String) throws(TLSError) -> TLSPEM {
        switch self {
        case .file(let path): try TLSPEM(file: path)
        case .bytes(let bytes): TLSPEM(name: role, bytes: bytes)
        case .text(let text): TLSPEM(name: role, bytes: Array(text.utf8))
        }
    }

    /// The numbers that change with the file; none if it is not one.
    func stamp() throws(TLSError) -> [Int64] {
        guard case .file(let path) = self else { return [] }
        do {
            return try Platform.stamp(ofFile: path)
        } catch {
            throw TLSError(.credentials, "cannot read \(path): \(error.reason)")
        }
    }
}

extension PEMSource: CustomStringConvertible, CustomReflectable {
    /// The path of the file, or how many bytes there are.
    public var description: String {
        switch self {
        case .file(let path): path
        case .bytes(let bytes): "\(bytes.count) bytes of PEM"
        case .text(let text): "\(text.utf8.count) bytes of PEM"
        }
    }

    /// A mirror without the bytes.
    public var customMirror: Mirror { Mirror(self, children: []) }
}
