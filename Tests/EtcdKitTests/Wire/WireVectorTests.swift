// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

@Suite("Wire: against Python's protobuf", .unit, .timeLimit(.minutes(1)))
struct WireVectorTests {
    @Test(
        "Each message is read from Python's bytes, and written as the same bytes",
        arguments: vectorMessages.keys.sorted()
    )
    func message(_ name: String) throws {
        let vectors = try WireVector.all.get().filter { $0.name == name }
        #expect(!vectors.isEmpty, "scripts/wire-vectors.py makes no vectors of it")
        for fault in vectors.flatMap(\.faults) { Issue.record("\(fault)") }
    }

    @Test("No message in the sources is left out")
    func allCovered() throws {
        let declaration =
            /(?:struct|extension) ([\w.]+): (?:\w+, )*(?:ProtobufMessage|(?:Keyless)?(?:Request|Response))\b/
        let covered = Set(vectorMessages.values.map { String(reflecting: $0).split(separator: ".").last })
        let sources = Repository.url("Sources/EtcdKit").path
        var found = 0
        for path in try FileManager.default.subpathsOfDirectory(atPath: sources) where path.hasSuffix(".swift") {
            for match in try String(contentsOfFile: sources + "/" + path, encoding: .utf8).matches(of: declaration) {
                found += 1
                #expect(
                    covered.contains(match.1.split(separator: ".").last),
                    "\(path): add \(match.1) to scripts/etcd-fields.txt and VectorMessages.swift, run wire-vectors.py"
                )
            }
        }
        #expect(found >= 34)
    }

    @Test("Control: two field numbers swapped do not go unnoticed")
    func swapped() throws {
        var types = vectorMessages
        types["mvccpb.KeyValue"] = SwappedKeyValue.self
        let faults = try WireVector.load(types).filter { $0.name == "mvccpb.KeyValue" }.flatMap(\.faults)
        #expect(faults.contains { $0.contains("is success") })
        #expect(faults.contains { $0.hasPrefix("mvccpb.KeyValue: SwappedKeyValue") })
    }

    @Test(
        "Our encodings are written for Python",
        .enabled(if: TestEnvironment.wireEncodings != nil, "part of make crosscheck")
    )
    func encodings() throws {
        let path = try #require(TestEnvironment.wireEncodings)
        let lines = try WireVector.all.get().map { $0.message.encoded.hexDigits + "\n" }
        try lines.joined().write(toFile: path, atomically: true, encoding: .utf8)
    }
}

/// A `KeyValue` that takes its two revisions for each other.
private struct SwappedKeyValue: VectorMessage {
    var entry = KeyValue()

    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &entry.key.bytes)
        try visitor.field(3, &entry.createRevision.rawValue)
        try visitor.field(2, &entry.modRevision.rawValue)
        try visitor.field(4, &entry.version)
        try visitor.field(5, &entry.value.bytes)
        try visitor.field(6, &entry.leaseID)
    }

    mutating func setFields(from fields: inout VectorFields) throws {
        try entry.setFields(from: &fields)
    }
}
