// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A message that can be set from the fields of a test vector.
protocol VectorMessage: ProtobufMessage, Hashable {
    /// Sets each property from the field of its name.
    mutating func setFields(from fields: inout VectorFields) throws
}

/// Every message of EtcdKit's wire format, under the names of `scripts/etcd-fields.txt`.
let vectorMessages =
    commonMessages
    .merging(authMessages) { $1 }
    .merging(clusterMessages) { $1 }
    .merging(lockAndElectionMessages) { $1 }
    .merging(maintenanceMessages) { $1 }

private let commonMessages: [String: any VectorMessage.Type] = [
    "mvccpb.KeyValue": KeyValue.self,
    "mvccpb.Event": WatchEvent.self,
    "etcdserverpb.ResponseHeader": ResponseHeader.self,
    "etcdserverpb.RangeRequest": Wire.RangeRequest.self,
    "etcdserverpb.RangeResponse": RangeResponse.self,
    "etcdserverpb.PutRequest": Wire.PutRequest.self,
    "etcdserverpb.PutResponse": PutResponse.self,
    "etcdserverpb.DeleteRangeRequest": Wire.DeleteRangeRequest.self,
    "etcdserverpb.DeleteRangeResponse": DeleteResponse.self,
    "etcdserverpb.CompactionRequest": Wire.CompactionRequest.self,
    "etcdserverpb.CompactionResponse": Wire.HeaderResponse.self,
    "etcdserverpb.Compare": Wire.Compare.self,
    "etcdserverpb.RequestOp": Wire.RequestOp.self,
    "etcdserverpb.ResponseOp": Wire.ResponseOp.self,
    "etcdserverpb.TxnRequest": Wire.TxnRequest.self,
    "etcdserverpb.TxnResponse": TransactionResponse.self,
    "etcdserverpb.WatchRequest": Wire.WatchRequest.self,
    "etcdserverpb.WatchCreateRequest": Wire.WatchCreateRequest.self,
    "etcdserverpb.WatchCancelRequest": Wire.WatchCancelRequest.self,
    "etcdserverpb.WatchProgressRequest": Wire.EmptyRequest.self,
    "etcdserverpb.WatchResponse": Wire.WatchResponse.self,
    "etcdserverpb.LeaseGrantRequest": Wire.LeaseGrantRequest.self,
    "etcdserverpb.LeaseGrantResponse": Wire.LeaseGrantResponse.self,
    "etcdserverpb.LeaseRevokeRequest": Wire.LeaseRequest.self,
    "etcdserverpb.LeaseRevokeResponse": Wire.HeaderResponse.self,
    "etcdserverpb.LeaseKeepAliveRequest": Wire.LeaseRequest.self,
    "etcdserverpb.LeaseKeepAliveResponse": Wire.LeaseKeepAliveResponse.self,
    "etcdserverpb.LeaseTimeToLiveRequest": Wire.LeaseTimeToLiveRequest.self,
    "etcdserverpb.LeaseTimeToLiveResponse": Wire.LeaseTimeToLiveResponse.self,
    "etcdserverpb.LeaseLeasesRequest": Wire.EmptyRequest.self,
    "etcdserverpb.LeaseStatus": Wire.LeaseRequest.self,
    "etcdserverpb.LeaseLeasesResponse": Wire.LeaseLeasesResponse.self,
    "crosscheck.Leaf": Everything.Leaf.self,
    "crosscheck.Everything": Everything.self,
]

// MARK: - Common

extension ResponseHeader: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("cluster_id", &clusterID)
        try fields.take("member_id", &memberID.rawValue)
        try fields.take("revision", &revision.rawValue)
        try fields.take("raft_term", &raftTerm)
    }
}

extension Wire.HeaderResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
    }
}

extension Wire.EmptyRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {}
}

// MARK: - Keys and values

extension KeyValue: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key.bytes)
        try fields.take("value", &value.bytes)
        try fields.take("create_revision", &createRevision.rawValue)
        try fields.take("mod_revision", &modRevision.rawValue)
        try fields.take("version", &version)
        try fields.take("lease", &leaseID)
    }
}

extension Wire.RangeRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key)
        try fields.take("range_end", &rangeEnd)
        try fields.take("limit", &limit)
        try fields.take("revision", &revision)
        try fields.take("sort_order", &sortOrder)
        try fields.take("sort_target", &sortTarget)
        try fields.take("serializable", &serializable)
        try fields.take("keys_only", &keysOnly)
        try fields.take("count_only", &countOnly)
        try fields.take("min_mod_revision", &minModRevision)
        try fields.take("max_mod_revision", &maxModRevision)
        try fields.take("min_create_revision", &minCreateRevision)
        try fields.take("max_create_revision", &maxCreateRevision)
    }
}

extension RangeResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("kvs", &entries)
        try fields.take("more", &more)
        try fields.take("count", &count)
    }
}

extension Wire.PutRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key)
        try fields.take("value", &value)
        try fields.take("lease", &lease)
        try fields.take("prev_kv", &returnsPrevious)
        try fields.take("ignore_value", &ignoresValue)
        try fields.take("ignore_lease", &ignoresLease)
    }
}

extension PutResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("prev_kv", &previous)
    }
}

extension Wire.DeleteRangeRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key)
        try fields.take("range_end", &rangeEnd)
        try fields.take("prev_kv", &returnsPrevious)
    }
}

extension DeleteResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("deleted", &deleted)
        try fields.take("prev_kvs", &previous)
    }
}

extension Wire.CompactionRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("revision", &revision)
        try fields.take("physical", &physical)
    }
}

// MARK: - Transactions

extension Wire.Compare: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("result", &result)
        try fields.take("target", &target)
        try fields.take("key", &key)
        try fields.take("range_end", &rangeEnd)
        try fields.take("version", &version)
        try fields.take("create_revision", &createRevision)
        try fields.take("mod_revision", &modRevision)
        try fields.take("value", &value)
        try fields.take("lease", &lease)
    }
}

extension Wire.RequestOp: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("request_range", &range)
        try fields.take("request_put", &put)
        try fields.take("request_delete_range", &deleteRange)
        try fields.take("request_txn", &transaction)
    }
}

extension Wire.ResponseOp: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("response_range", &range)
        try fields.take("response_put", &put)
        try fields.take("response_delete_range", &deleteRange)
        try fields.take("response_txn", &transaction)
    }
}

extension Wire.TxnRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("compare", &compare)
        try fields.take("success", &success)
        try fields.take("failure", &failure)
    }
}

extension TransactionResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("succeeded", &succeeded)
        try fields.take("responses", &responses)
    }
}

// MARK: - Watches

extension WatchEvent: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("type", &type)
        try fields.take("kv", &entry)
        try fields.take("prev_kv", &previous)
    }
}

extension Wire.WatchRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("create_request", &create)
        try fields.take("cancel_request", &cancel)
        try fields.take("progress_request", &progress)
    }
}

extension Wire.WatchCreateRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("key", &key)
        try fields.take("range_end", &rangeEnd)
        try fields.take("start_revision", &startRevision)
        try fields.take("progress_notify", &progressNotify)
        try fields.take("filters", &filters)
        try fields.take("prev_kv", &previous)
        try fields.take("watch_id", &watchID)
        try fields.take("fragment", &fragment)
    }
}

extension Wire.WatchCancelRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("watch_id", &watchID)
    }
}

extension Wire.WatchResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("watch_id", &watchID)
        try fields.take("created", &created)
        try fields.take("canceled", &canceled)
        try fields.take("compact_revision", &compactRevision)
        try fields.take("cancel_reason", &cancelReason)
        try fields.take("fragment", &fragment)
        try fields.take("events", &events)
    }
}

// MARK: - Leases

extension Wire.LeaseGrantRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("TTL", &timeToLive)
        try fields.take("ID", &id)
    }
}

extension Wire.LeaseGrantResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("ID", &id)
        try fields.take("TTL", &timeToLive)
        try fields.take("error", &error)
    }
}

extension Wire.LeaseRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("ID", &id)
    }
}

extension Wire.LeaseKeepAliveResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("ID", &id)
        try fields.take("TTL", &timeToLive)
    }
}

extension Wire.LeaseTimeToLiveRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("ID", &id)
        try fields.take("keys", &withKeys)
    }
}

extension Wire.LeaseTimeToLiveResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("ID", &id)
        try fields.take("TTL", &timeToLive)
        try fields.take("grantedTTL", &grantedTimeToLive)
        try fields.take("keys", &keys)
    }
}

extension Wire.LeaseLeasesResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("leases", &leases)
    }
}

// MARK: - The codec's own

extension Everything.Leaf: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("number", &number)
        try fields.take("names", &names)
    }
}

extension Everything: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("signed", &signed)
        try fields.take("unsigned", &unsigned)
        try fields.take("small", &small)
        try fields.take("flag", &flag)
        try fields.take("text", &text)
        try fields.take("data", &data)
        try fields.take("color", &color)
        try fields.take("plain", &plain)
        try fields.take("chosen_number", &chosenNumber)
        try fields.take("chosen_data", &chosenData)
        try fields.take("chosen_leaf", &chosenLeaf)
        try fields.take("texts", &texts)
        try fields.take("datas", &datas)
        try fields.take("colors", &colors)
        try fields.take("leaves", &leaves)
        try fields.take("two_byte_tag", &twoByteTag)
        try fields.take("three_byte_tag", &threeByteTag)
        try fields.take("four_byte_tag", &fourByteTag)
        try fields.take("five_byte_tag", &fiveByteTag)
    }
}
