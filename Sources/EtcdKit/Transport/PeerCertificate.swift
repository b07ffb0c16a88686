// SPDX-License-Identifier: Apache-2.0

/// The facts that a user needs about a certificate in use.
package struct PeerCertificate: Sendable, Hashable {
    /// Its subject, such as `CN=etcd-0`.
    package let subject: String
    /// When it ends, in seconds since 1970.
    package let notAfter: Double
    /// It is the peer's own, and not that of an authority above it.
    package let isLeaf: Bool

    init(_ certificate: TLSCertificate, isLeaf: Bool) {
        subject = certificate.subject
        notAfter = certificate.end
        self.isLeaf = isLeaf
    }
}
