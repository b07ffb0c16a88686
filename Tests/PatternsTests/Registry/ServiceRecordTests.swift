// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdPatterns

@Suite("ServiceInstance: JSON", .unit)
struct ServiceRecordTests {
    private let key = "services/api/api-1" as Key

    private func read(_ text: String) throws -> ServiceRecord {
        try ServiceRecord(Value(text), under: key, service: "api", id: "api-1")
    }

    @Test("the JSON is that of Go's naming resolver, with our own fields in the metadata")
    func shape() throws {
        var instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)
        let author = ServiceRecord.Author(generation: 1_700_000_000_000, nonce: "f00")
        let metadata = #""generation":1700000000000,"id":"api-1","metadata":{},"nonce":"f00","status":"up","weight":1"#
        let text = #"{"Op":0,"Addr":"10.0.0.7:8080","Metadata":{\#(metadata)}}"#
        #expect(try ServiceRecord(instance: instance, author: author).encoded() == Value(text))
        instance.zone = "eu/1"
        instance.status = .draining
        instance.weight = 3
        instance.metadata = ["version": "1.0.0", "quote": #"a "b" \ c"#]
        let value = try ServiceRecord(instance: instance, author: author).encoded()
        // The fields that another parser reads.
        let object = try #require(try JSONSerialization.jsonObject(with: Data(value.bytes)) as? [String: Any])
        #expect(Set(object.keys) == ["Op", "Addr", "Metadata"])
        #expect(object["Op"] as? Int == 0)
        #expect(object["Addr"] as? String == "10.0.0.7:8080")
        let fields = try #require(object["Metadata"] as? [String: Any])
        #expect(Set(fields.keys) == ["id", "weight", "zone", "status", "metadata", "generation", "nonce"])
        #expect(fields["metadata"] as? [String: String] == instance.metadata)
        #expect(fields["zone"] as? String == "eu/1" && fields["status"] as? String == "draining")
        #expect(value.string?.contains("eu/1") == true)
        #expect(try ServiceRecord(value, under: key, service: "api", id: "api-1").instance == instance)
        #expect(try ServiceRecord(value, under: key, service: "api", id: "api-1").author == author)
    }

    @Test("an IPv6 address stands in brackets", arguments: ["::1", "fe80::1%eth0", "10.0.0.1", "host.example"])
    func address(host: String) throws {
        let instance = ServiceInstance(service: "api", id: "api-1", address: host, port: 80)
        let value = try ServiceRecord(instance: instance, author: ServiceRecord.Author()).encoded()
        let text = host.contains(":") ? "[\(host)]:80" : "\(host):80"
        #expect(value.string?.contains(#""Addr":"\#(text)""#) == true)
        #expect(try read(value.description).instance == instance)
    }

    /// Records as Go's `endpoints.Manager` and its predecessors write them.
    @Test(
        "records of Go are read, whatever their metadata are",
        arguments: [
            (#"{"Op":0,"Addr":"1.2.3.4:80","Metadata":null}"#, [:]),
            (#"{"Addr":"1.2.3.4:80"}"#, [:]),
            (#"{"Op":0,"Addr":"1.2.3.4:80","Metadata":"blue"}"#, ["metadata": "blue"]),
            (#"{"Op":0,"Addr":"1.2.3.4:80","Metadata":7}"#, ["metadata": "7"]),
            (#"{"Op":0,"Addr":"1.2.3.4:80","Metadata":true}"#, ["metadata": "true"]),
            (#"{"Op":0,"Addr":"1.2.3.4:80","Metadata":[1,"a"]}"#, ["metadata": #"[1,"a"]"#]),
            (
                #"{"Op":0,"Addr":"1.2.3.4:80","Metadata":{"v":"1","n":2.5,"none":null,"deep":{"a":[true]}}}"#,
                ["v": "1", "n": "2.5", "deep": #"{"a":[true]}"#]
            ),
            (#"{"Addr":"1.2.3.4:80","Metadata":{"status":"ok","weight":"no"}}"#, ["status": "ok", "weight": "no"]),
        ] as [(String, [String: String])]
    )
    func go(text: String, metadata: [String: String]) throws {
        let record = try read(text)
        var expected = ServiceInstance(service: "api", id: "api-1", address: "1.2.3.4", port: 80)
        expected.metadata = metadata
        #expect(record.instance == expected)
        #expect(record.author == nil)
    }

    @Test(
        "an invalid entry is refused with its key, and never traps",
        arguments: [
            "", "junk", "null", "[]", "7", #""text""#, "{}", #"{"Addr":7}"#, #"{"Addr":""}"#, #"{"Addr":"host"}"#,
            #"{"Addr":":80"}"#, #"{"Addr":"[]:80"}"#, #"{"Addr":"h:0"}"#, #"{"Addr":"h:65536"}"#,
            #"{"Addr":"h:99999999999999999999"}"#, #"{"Addr":"h:-1"}"#, #"{"Addr":"h:80","Metadata":{"nonce":1}}"#,
            #"{"Addr":"h:1","Metadata":{"nonce":"a","id":"a","weight":1e99,"status":"up","metadata":{},"generation":1}}"#,
            #"{"Addr":"h:1","Metadata":{"nonce":"a","id":"a","weight":1,"status":"odd","metadata":{},"generation":1}}"#,
            #"{"Addr":"h:80","Metadata":1e999}"#, String(repeating: "[", count: 100_000),
            #"{"Addr":"h:80","Metadata":"# + String(repeating: "[", count: 100_000),
        ]
    )
    func poison(text: String) throws {
        let problem = #expect(throws: RegistryProblem.self) { try read(text) }
        #expect(problem?.key == key && problem?.value == Value(text))
        #expect((problem?.description.count ?? 0) < 500)
    }

    @Test("bytes that are not text are refused, too")
    func bytes() {
        #expect(throws: RegistryProblem.self) {
            try ServiceRecord(Value(bytes: [0xff, 0, 0xfe]), under: key, service: "api", id: "api-1")
        }
    }

    @Test("a later author supersedes an earlier one, whatever the clocks and the generations are")
    func authors() throws {
        let first = ServiceRecord.Author(generation: .max, nonce: "a")
        #expect(first.generation == 0)
        let far = ServiceRecord.Author(generation: (1 << 53) - 2, nonce: "z")
        var second = ServiceRecord.Author(generation: 5, nonce: "b")
        second.supersede(far)
        #expect(far < second && !(second < far))
        second.supersede(nil)
        #expect(far < second)
        var third = ServiceRecord.Author()
        third.supersede(ServiceRecord.Author(generation: -3, nonce: "c"))
        #expect(third.generation > 1_700_000_000_000)
        // Also if there is no higher generation, and for a reader of the record.
        var last = ServiceRecord.Author(generation: (1 << 53) - 1, nonce: "z")
        for nonce in ["a", "b"] {
            var next = ServiceRecord.Author(generation: 5, nonce: nonce)
            next.supersede(last)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "h", port: 1)
            let read = try read(try ServiceRecord(instance: instance, author: next).encoded().description).author
            #expect(read == next && last < next)
            last = next
        }
    }
}
