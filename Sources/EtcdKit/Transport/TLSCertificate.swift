// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// A certificate, as far as it is described in messages.
final class TLSCertificate {
    let pointer: OpaquePointer

    /// Takes over one reference to the certificate.
    init(adopting pointer: OpaquePointer) {
        self.pointer = pointer
    }

    /// Takes a reference of its own.
    convenience init(_ pointer: OpaquePointer) {
        X509_up_ref(pointer)
        self.init(adopting: pointer)
    }

    deinit {
        X509_free(pointer)
    }

    /// The owner of the certificate, such as `CN=etcd-0`.
    var subject: String { Self.text { COpenSSL_print_name($0, X509_get_subject_name(pointer)) } }

    /// The authority that has signed it.
    var issuer: String { Self.text { COpenSSL_print_name($0, X509_get_issuer_name(pointer)) } }

    var notBefore: String { Self.text { ASN1_TIME_print($0, X509_get0_notBefore(pointer)) } }

    var notAfter: String { Self.text { ASN1_TIME_print($0, X509_get0_notAfter(pointer)) } }

    /// When it ends, in seconds since 1970.
    var end: Double {
        var (days, seconds): (Int32, Int32) = (0, 0)
        let epoch = ASN1_TIME_set(nil, 0)
        defer { ASN1_TIME_free(epoch) }
        // An end that cannot be read counts as expired.
        ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(pointer))
        return Double(days) * 86_400 + Double(seconds)
    }

    /// The names and addresses it is for, such as `DNS:localhost, IP Address:127.0.0.1`; nil if it has none.
    var names: String? {
        let index = X509_get_ext_by_NID(pointer, NID_subject_alt_name, -1)
        guard index >= 0, let names = X509_get_ext(pointer, index) else { return nil }
        let text = Self.text { X509V3_EXT_print($0, names, 0, 0) }
        return text.isEmpty ? nil : text
    }

    /// The output of `print`, without control characters and shortened: the peer has chosen it.
    private static func text(_ print: (OpaquePointer) -> Int32) -> String {
        guard let output = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(output) }
        _ = print(output)
        var bytes = [UInt8](repeating: 0, count: 500)
        let count = BIO_read(output, &bytes, Int32(bytes.count))
        let text = String(decoding: bytes.prefix(Int(max(count, 0))), as: UTF8.self)
        return BIO_ctrl_pending(output) > 0 ? text.printable + "…" : text.printable
    }
}

/// The facts that a user needs about a certificate in use.
package struct PeerCertificate: Sendable, Hashable {
    /// Whom it is about, such as `CN=etcd-0`.
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
