#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cross-checks EtcdKit's wire format against Python's protobuf (6.31 or later).

wire-vectors.py write [--seed N] [--random N] [FILE]
    Writes test vectors, one a line: {"message": name, "value": fields, "bytes": hex, "also": [hex, ...]}. `bytes` is
    how Python encodes the message; `also` are other encodings of the same message, which Python has decoded to it.
wire-vectors.py check VECTORS ENCODINGS
    Has Python decode what the Swift tests encoded (a line of hex for each vector), and compares the messages.

The messages come from etcd-fields.txt. Integers of 64 bits are strings, bytes are hex, enumeration values are numbers.
"""

import argparse
import json
import pathlib
import random
import re
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field

HERE = pathlib.Path(__file__).parent

# Messages that EtcdKit keeps without regard to whether they were present; an empty one, it leaves out.
PRESENCE_IGNORED = {"header", "kv", "plain", "member", "options", "perm", "leader", "range_response"}

SCALARS = {
    "int64": Field.TYPE_INT64, "uint64": Field.TYPE_UINT64, "uint32": Field.TYPE_UINT32, "bool": Field.TYPE_BOOL,
    "string": Field.TYPE_STRING, "bytes": Field.TYPE_BYTES,
}  # fmt: skip
FIELD = re.compile(r"(\d+) (\w+): (repeated )?([\w.]+)(?: \[oneof (\w+)\])?")


# Messages from the table


def read_table(path):
    """The sections of the table: (kind, full name, lines)."""
    sections = []
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        kind, _, rest = line.partition(" ")
        if kind in ("message", "enum"):
            sections.append((kind, rest, []))
        else:
            sections[-1][2].append(line)
    return sections


def message_classes(path=HERE / "etcd-fields.txt"):
    """Python's classes for the messages of the table, by name, in the table's order."""
    sections = read_table(path)
    kinds = {name: kind for kind, name, _ in sections}
    files, messages = {}, {}
    for kind, name, _ in sections:
        package = name.partition(".")[0]
        if package not in files:
            files[package] = descriptor_pb2.FileDescriptorProto(name=package, package=package, syntax="proto3")
        if kind == "message":
            messages[name] = files[package].message_type.add(name=name.partition(".")[2])

    def resolve(type_name, scope):
        while True:
            candidate = f"{scope}.{type_name}" if scope else type_name
            if candidate in kinds:
                return candidate
            if not scope:
                sys.exit(f"etcd-fields.txt: {type_name} is not there")
            scope = scope.rpartition(".")[0]

    for kind, name, lines in sections:
        package = name.partition(".")[0]
        if kind == "enum":
            scope = name.rpartition(".")[0]
            enum = (messages.get(scope) or files[package]).enum_type.add(name=name.rpartition(".")[2])
            for line in lines:
                number, case = line.split(" = ")
                enum.value.add(name=case, number=int(number))
            continue
        oneofs = []
        for line in lines:
            number, field_name, repeated, type_name, oneof = FIELD.fullmatch(line).groups()
            field = messages[name].field.add(name=field_name, number=int(number))
            field.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if type_name in SCALARS:
                field.type = SCALARS[type_name]
            else:
                full_name = resolve(type_name, name)
                field.type = Field.TYPE_ENUM if kinds[full_name] == "enum" else Field.TYPE_MESSAGE
                field.type_name = "." + full_name
                other = full_name.partition(".")[0]
                if other != package and other not in files[package].dependency:
                    files[package].dependency.append(other)
            if oneof:
                if oneof not in oneofs:
                    oneofs.append(oneof)
                    messages[name].oneof_decl.add(name=oneof)
                field.oneof_index = oneofs.index(oneof)

    pool = descriptor_pool.DescriptorPool()
    for file in files.values():
        pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in messages}


# Values


def as_json(field, value):
    if field.type in (Field.TYPE_INT64, Field.TYPE_UINT64):
        return str(value)
    if field.type == Field.TYPE_BYTES:
        return value.hex()
    if field.type == Field.TYPE_MESSAGE:
        return fields_as_json(value)
    return value


def fields_as_json(message):
    """The fields that are present, or differ from their default."""
    return {
        field.name: [as_json(field, item) for item in value] if field.is_repeated else as_json(field, value)
        for field, value in message.ListFields()
    }


def canonical(message):
    """The message as EtcdKit keeps it: without the empty messages whose presence it does not keep."""
    copy = type(message)()
    copy.CopyFrom(message)
    prune(copy)
    return copy


def prune(message):
    for field, value in message.ListFields():
        if field.type != Field.TYPE_MESSAGE:
            continue
        for item in value if field.is_repeated else [value]:
            prune(item)
        if field.name in PRESENCE_IGNORED and not field.is_repeated and not value.ByteSize():
            message.ClearField(field.name)


TEXTS = ["a", "grüße", "🦊", "e\u0301", "nul\0", "x" * 127, "y" * 128]
EDGES = {
    Field.TYPE_INT64: [1, -1, 127, 128, 2**31, -(2**31), 2**63 - 1, -(2**63)],
    Field.TYPE_UINT64: [1, 127, 128, 2**32, 2**63 - 1, 2**63, 2**64 - 1],
    Field.TYPE_UINT32: [1, 127, 128, 2**31, 2**32 - 1],
    Field.TYPE_BOOL: [True],
    Field.TYPE_STRING: TEXTS,
    Field.TYPE_BYTES: [b"\0", b"key", b"\xff\xfe", bytes(range(127)), b"z" * 128],
}
DEFAULTS = {Field.TYPE_STRING: "", Field.TYPE_BYTES: b"", Field.TYPE_BOOL: False}


def edges(field):
    if field.type == Field.TYPE_ENUM:
        return sorted(set(field.enum_type.values_by_number) - {0}) + [77, 2**31 - 1, -1, -(2**31)]
    return EDGES[field.type]


def put(message, field, values):
    """Sets a field; for a message, a value is a function that fills it."""
    if field.type == Field.TYPE_MESSAGE:
        for fill in values:
            target = getattr(message, field.name)
            target = target.add() if field.is_repeated else target
            target.SetInParent()
            fill(target)
    elif field.is_repeated:
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, values[-1])


def random_value(field, rng, depth):
    if field.type == Field.TYPE_MESSAGE:
        return lambda target: fill_randomly(target, rng, depth + 1)
    if field.type == Field.TYPE_STRING:
        return "".join(rng.choice("abc/ äß€😀") for _ in range(rng.randrange(12)))
    if field.type == Field.TYPE_BYTES:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(16)))
    if rng.random() < 0.3 or field.type in (Field.TYPE_ENUM, Field.TYPE_BOOL):
        return rng.choice(edges(field) + [DEFAULTS.get(field.type, 0)])
    bits = {Field.TYPE_UINT64: 64, Field.TYPE_UINT32: 32, Field.TYPE_INT64: 63}[field.type]
    value = rng.randrange(2 ** rng.randrange(1, bits + 1))
    return -value if field.type == Field.TYPE_INT64 and rng.random() < 0.3 else value


def fill_randomly(message, rng, depth=0):
    chosen = {oneof: rng.choice(oneof.fields) for oneof in message.DESCRIPTOR.oneofs}
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if oneof and chosen[oneof] is not field or rng.random() < 0.3:
            continue
        if field.type == Field.TYPE_MESSAGE and depth >= 3:
            continue
        count = rng.randrange(4 - min(depth, 2)) if field.is_repeated else 1
        put(message, field, [random_value(field, rng, depth) for _ in range(count)])


def examples(cls, rng, random_count):
    """Messages of a class: empty, each field alone with each edge value, all fields, and random ones."""
    yield cls()
    for field in cls.DESCRIPTOR.fields:
        empty = (lambda target: None) if field.type == Field.TYPE_MESSAGE else DEFAULTS.get(field.type, 0)
        if field.type == Field.TYPE_MESSAGE:
            values = [lambda target: fill_randomly(target, rng, 2), lambda target: fill_randomly(target, rng, 1)]
        else:
            values = edges(field)
        choices = [[value] for value in values]
        if field.is_repeated:
            choices += [[empty], [empty, values[0], empty], values]
        elif field.containing_oneof or field.type == Field.TYPE_MESSAGE:
            choices.append([empty])
        for choice in choices:
            message = cls()
            put(message, field, choice)
            yield message
    for _ in range(random_count):
        message = cls()
        fill_randomly(message, rng)
        yield message


def nested_transaction(cls, depth):
    message = cls()
    for level in range(depth):
        outer = cls()
        outer.compare.add(key=b"k%d" % level, target=level % 5).version = 0
        (outer.success if level % 2 else outer.failure).add().request_txn.CopyFrom(message)
        message = outer
    return message


# Other encodings of a message, written by hand


def varint(value, padding=0):
    value &= 2**64 - 1
    digits = []
    while True:
        digits.append(value & 0x7F)
        value >>= 7
        if not value:
            break
    digits += [0] * min(padding, 10 - len(digits))
    return bytes(digit | 0x80 for digit in digits[:-1]) + bytes(digits[-1:])


def tag(number, wire_type):
    return varint(number << 3 | wire_type)


def delimited(number, content, rng):
    return tag(number, 2) + varint(len(content), padding=rng.choice([0, 0, 0, 1])) + content


def unknown_field(number, rng, depth=0, types=(0, 1, 2, 3, 5)):
    kind = rng.choice(types)
    if kind == 0:
        return tag(number, 0) + varint(rng.randrange(2**64))
    if kind == 1:
        return tag(number, 1) + rng.randbytes(8)
    if kind == 2:
        return tag(number, 2) + varint(4) + rng.randbytes(4)
    if kind == 5:
        return tag(number, 5) + rng.randbytes(4)
    inner = b"".join(
        unknown_field(rng.choice([1, 2, 9, 3000]), rng, depth + 1) for _ in range(rng.randrange(3) if depth < 3 else 0)
    )
    return tag(number, 3) + inner + tag(number, 4)


def scramble_scalar(field, value, rng):
    if field.type in (Field.TYPE_STRING, Field.TYPE_BYTES):
        return delimited(field.number, value.encode() if isinstance(value, str) else value, rng)
    if field.type == Field.TYPE_ENUM and value < 0 and rng.random() < 0.5:
        return tag(field.number, 0) + varint(value & (2**32 - 1))
    return tag(field.number, 0) + varint(int(value), padding=rng.choice([0, 0, 1, 9]))


def scramble_enums(field, values, rng):
    """Some of the values packed, some not."""
    chunks, rest = [], list(values)
    while rest:
        count = rng.randrange(0, len(rest) + 1)
        packed, rest = rest[:count], rest[count:]
        if packed or rng.random() < 0.3:
            chunks.append(delimited(field.number, b"".join(map(varint, packed)), rng))
        elif rest:
            chunks.append(tag(field.number, 0) + varint(rest.pop(0)))
    return chunks


def scramble(message, rng, depth=0, is_part=False):
    """Another encoding: fields out of order, set twice, split, padded, and among fields that nobody knows."""
    queues = []
    present = dict((field.name, value) for field, value in message.ListFields())
    for field in message.DESCRIPTOR.fields:
        value = present.get(field.name)
        if field.type == Field.TYPE_MESSAGE:
            if field.is_repeated:
                chunks = [delimited(field.number, scramble(item, rng, depth + 1), rng) for item in value or []]
            elif value is None:
                chunks = []
            else:
                # In two parts, which the reader merges.
                parts = [type(value)(), type(value)()] if rng.random() < 0.4 else [type(value)()]
                for inner, content in value.ListFields():
                    part = rng.choice(parts)
                    if inner.is_repeated:
                        getattr(part, inner.name).MergeFrom(content)
                    elif inner.type == Field.TYPE_MESSAGE:
                        getattr(part, inner.name).CopyFrom(content)
                    else:
                        setattr(part, inner.name, content)
                chunks = [
                    delimited(field.number, scramble(part, rng, depth + 1, is_part or len(parts) > 1), rng)
                    for part in parts
                ]
        elif field.is_repeated and field.type == Field.TYPE_ENUM:
            chunks = scramble_enums(field, value or [], rng)
        elif field.is_repeated:
            chunks = [scramble_scalar(field, item, rng) for item in value or []]
        else:
            chunks = []
            if value is None and not field.containing_oneof and not is_part and rng.random() < 0.3:
                chunks.append(scramble_scalar(field, DEFAULTS.get(field.type, 0), rng))
            elif value is not None:
                if rng.random() < 0.2:
                    chunks.append(scramble_scalar(field, rng.choice(edges(field)), rng))
                chunks.append(scramble_scalar(field, value, rng))
        if rng.random() < 0.15:
            # The number is known, the wire type is another one.
            integral = field.type not in (Field.TYPE_MESSAGE, Field.TYPE_STRING, Field.TYPE_BYTES)
            others = (1, 3, 5) if field.is_repeated and integral else (1, 2, 3, 5) if integral else (0, 1, 3, 5)
            chunks.insert(rng.randrange(len(chunks) + 1), unknown_field(field.number, rng, types=others))
        queues.append(chunks)
    if depth < 2 and rng.random() < 0.6:
        queues.append([unknown_field(rng.choice([99, 5000, 2**29 - 2]), rng) for _ in range(rng.randrange(1, 3))])
    # The order among chunks of one field matters, that among fields does not.
    queues = [chunks for chunks in queues if chunks]
    result = b""
    while queues:
        chunks = rng.choice(queues)
        result += chunks.pop(0)
        if not chunks:
            queues.remove(chunks)
    return result


# Commands


def assert_ascending(data):
    """Encodings are compared byte by byte, so Python has to write the fields in the order of their numbers."""
    position, last = 0, 0

    def read_varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        number, wire_type = divmod(read_varint(), 8)
        assert wire_type in (0, 2) and number >= last, "fields out of order"
        last = number
        length = read_varint()
        position += length if wire_type == 2 else 0


def write(arguments):
    rng = random.Random(arguments.seed)
    lines = []
    classes = message_classes()
    for name, cls in classes.items():
        messages = list(examples(cls, rng, arguments.random))
        scrambled = len(messages) - 2 * arguments.random
        if name == "etcdserverpb.TxnRequest":
            messages.append(nested_transaction(cls, 20))
        for index, message in enumerate(messages):
            data = canonical(message).SerializeToString(deterministic=True)
            assert_ascending(data)
            also = []
            plain = message.SerializeToString(deterministic=True)
            if plain != data:
                also.append(plain)
            if index >= scrambled or rng.random() < 0.1:
                also.append(scramble(message, rng))
            for other in also:
                decoded = cls.FromString(other)
                decoded.DiscardUnknownFields()
                assert canonical(decoded) == canonical(message), f"{name}: {other.hex()} is not {message}"
            vector = {
                "message": name, "value": fields_as_json(message), "bytes": data.hex(), "also": [o.hex() for o in also],
            }  # fmt: skip
            lines.append(json.dumps(vector, ensure_ascii=True, separators=(",", ":")) + "\n")
    pathlib.Path(arguments.file).write_text("".join(lines))
    print(f"{len(lines)} vectors of {len(classes)} messages, seed {arguments.seed}")


def from_json(message, value):
    for field in message.DESCRIPTOR.fields:
        if field.name not in value:
            continue
        items = value[field.name] if field.is_repeated else [value[field.name]]
        if field.type in (Field.TYPE_INT64, Field.TYPE_UINT64):
            items = [int(item) for item in items]
        elif field.type == Field.TYPE_BYTES:
            items = [bytes.fromhex(item) for item in items]
        elif field.type == Field.TYPE_MESSAGE:
            items = [lambda target, item=item: from_json(target, item) for item in items]
        put(message, field, items)


def check(arguments):
    classes = message_classes()
    vectors = [json.loads(line) for line in open(arguments.vectors)]
    encodings = open(arguments.encodings).read().split("\n")[:-1]
    if len(vectors) != len(encodings):
        sys.exit(f"{len(vectors)} vectors, but the Swift tests encoded {len(encodings)}")
    failures = 0
    for number, (vector, encoding) in enumerate(zip(vectors, encodings), 1):
        expected = classes[vector["message"]]()
        from_json(expected, vector["value"])
        try:
            decoded = type(expected).FromString(bytes.fromhex(encoding))
        except Exception as error:  # pylint: disable=broad-except
            decoded = error
        if decoded != canonical(expected):
            failures += 1
            print(f"vector {number}, {vector['message']}: {encoding}\n  is not {vector['value']}", file=sys.stderr)
    if failures:
        sys.exit(f"{failures} of {len(vectors)} messages read differently in Python")
    print(f"Python reads all {len(vectors)} messages that Swift encoded as they were meant")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    writer = commands.add_parser("write")
    writer.add_argument("--seed", type=int, default=1)
    writer.add_argument("--random", type=int, default=10, metavar="N", help="random messages of each kind")
    writer.add_argument("file", nargs="?", default=HERE / "wire-vectors.jsonl")
    writer.set_defaults(run=write)
    checker = commands.add_parser("check")
    checker.add_argument("vectors")
    checker.add_argument("encodings")
    checker.set_defaults(run=check)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
