// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import EtcdKit
import Foundation

/// A certificate authority for tests that issues certificates for servers and clients.
///
/// ```swift
/// let authority = try TestCertificateAuthority()
/// let server = try authority.issue("etcd")
/// try server.certificate.write(toFile: certificateFile, atomically: true, encoding: .utf8)
/// ```
public struct TestCertificateAuthority: Sendable {
    /// The validity of a certificate.
    public enum Validity: Sendable, Hashable {
        /// From an hour ago until tomorrow.
        case current
        /// Until an hour ago.
        case expired
        /// From tomorrow on.
        case future
        /// From an hour ago, for a number of days from now.
        case ending(inDays: Int)

        fileprivate var hours: (from: Int, until: Int) {
            switch self {
            case .current: (-1, 24)
            case .expired: (-24, -1)
            case .future: (24, 48)
            case .ending(let days): (-1, days * 24)
            }
        }
    }

    /// The authority's own certificate in PEM form, to be trusted by peers.
    public let certificate: String
    private let key: String

    /// Makes an authority with a new key.
    ///
    /// - Parameter name: Its name in certificates; random digits are appended.
    /// - Throws: ``EtcdTestingError`` of code `system` if OpenSSL fails.
    public init(_ name: String = "EtcdTesting authority") throws {
        OpenSSL.prepare()
        let extensions = [(NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign")]
        let made = try Self.make("\(name) \(randomHex())", .current, extensions, passphrase: nil, signer: nil)
        (certificate, key) = (made.certificate, made.key)
    }

    /// Issues a certificate for servers and clients.
    ///
    /// - Parameters:
    ///   - name: The common name, which is the name of the user if etcd has authentication.
    ///   - hosts: The DNS names of the certificate.
    ///   - addresses: The IP addresses of the certificate.
    ///   - validity: The validity.
    ///   - passphrase: The passphrase that encrypts the key; nil for a plain key.
    /// - Returns: The certificate and its key.
    /// - Throws: ``EtcdTestingError`` of code `system` if OpenSSL fails.
    public func issue(
        _ name: String,
        hosts: [String] = ["localhost"],
        addresses: [String] = ["127.0.0.1", "::1"],
        validity: Validity = .current,
        passphrase: String? = nil
    ) throws -> TestCertificate {
        var extensions = [(NID_ext_key_usage, "serverAuth,clientAuth")]
        let names = hosts.map { "DNS:\($0)" } + addresses.map { "IP:\($0)" }
        if !names.isEmpty { extensions.append((NID_subject_alt_name, names.joined(separator: ","))) }
        return try Self.make(name, validity, extensions, passphrase: passphrase, signer: (certificate, key))
    }

    private static func make(
        _ name: String,
        _ validity: Validity,
        _ extensions: [(Int32, String)],
        passphrase: String?,
        signer: (certificate: String, key: String)?
    ) throws -> TestCertificate {
        let certificate = try check(X509_new())
        defer { X509_free(certificate) }
        let key = try check(COpenSSL_generate_key())
        defer { EVP_PKEY_free(key) }
        let issuer = try signer.map { try read($0.certificate) { PEM_read_bio_X509($0, nil, nil, nil) } }
        defer { X509_free(issuer) }
        let issuerKey = try signer.map { try read($0.key) { PEM_read_bio_PrivateKey($0, nil, nil, nil) } }
        defer { EVP_PKEY_free(issuerKey) }

        let subject = X509_get_subject_name(certificate)
        try check(X509_set_version(certificate, 2))
        try check(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), .random(in: 1...UInt64(Int64.max))))
        X509_gmtime_adj(X509_getm_notBefore(certificate), validity.hours.from * 3600)
        X509_gmtime_adj(X509_getm_notAfter(certificate), validity.hours.until * 3600)
        try check(X509_NAME_add_entry_by_txt(subject, "CN", Self.utf8, name, -1, -1, 0))
        try check(X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? subject))
        try check(X509_set_pubkey(certificate, key))
        for (kind, value) in extensions {
            let made = try check(X509V3_EXT_conf_nid(nil, nil, kind, value))
            defer { X509_EXTENSION_free(made) }
            try check(X509_add_ext(certificate, made, -1))
        }
        try check(X509_sign(certificate, issuerKey ?? key, EVP_sha256()))

        return TestCertificate(
            certificate: try write { PEM_write_bio_X509($0, certificate) },
            key: try write { output in
                guard let passphrase else { return PEM_write_bio_PrivateKey(output, key, nil, nil, 0, nil, nil) }
                let length = Int32(passphrase.utf8.count)
                return PEM_write_bio_PKCS8PrivateKey(output, key, EVP_aes_256_cbc(), passphrase, length, nil, nil)
            }
        )
    }

    private static func read<Pointer>(_ text: String, _ parse: (OpaquePointer) -> Pointer?) throws -> Pointer {
        let input = try check(BIO_new(BIO_s_mem()))
        defer { BIO_free(input) }
        try check(BIO_write(input, text, Int32(text.utf8.count)))
        return try check(parse(input))
    }

    private static func write(_ print: (OpaquePointer) -> Int32) throws -> String {
        let output = try check(BIO_new(BIO_s_mem()))
        defer { BIO_free(output) }
        try check(print(output))
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        try check(BIO_read(output, &bytes, Int32(bytes.count)))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `MBSTRING_UTF8`, a macro that Swift cannot import.
    private static let utf8 = MBSTRING_FLAG

    private static func check(_ result: Int32) throws {
        if result <= 0 { throw failure() }
    }

    private static func check<Pointer>(_ pointer: Pointer?) throws -> Pointer {
        guard let pointer else { throw failure() }
        return pointer
    }

    private static func failure() -> EtcdTestingError {
        defer { ERR_clear_error() }
        let reason = ERR_reason_error_string(ERR_peek_last_error()).map { String(cString: $0) } ?? "no reason"
        return EtcdTestingError(code: .system, message: "OpenSSL cannot make a certificate: \(reason)")
    }
}

/// A certificate of a ``TestCertificateAuthority``, and its key.
public struct TestCertificate: Sendable {
    /// The certificate in PEM form.
    public let certificate: String
    /// The key in PEM form, encrypted if a passphrase was given.
    public let key: String
}
