#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints which member owns which shard, for several groups, computed here apart from the Swift code.

Tests/PatternsTests/Shards/ShardVectors.swift has the output as literals. A release that assigns shards in another way
would move most of them, and while it is rolled out, old and new members would disagree. So these never change.
"""

MASK = (1 << 64) - 1

# The members, and the shards that they divide.
GROUPS = [
    (["a", "b"], [str(number) for number in range(7)]),
    (["worker-1", "worker-2", "worker-3"], ["north", "east", "south", "west", "north-east", "süd", "東", "😀", "a b", "x/y"]),
    (["a", "aa", "aaa", "A", "ä"], [str(number) for number in range(64)]),
    ([f"worker-{number}" for number in range(1, 11)], [str(number) for number in range(200)]),
    ([f"10.0.0.{number}:8080" for number in range(20)], [f"orders-{number:04}" for number in range(500)]),
]


def mixed(value):
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & MASK
    return value ^ value >> 33


def hashed(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return mixed(value)


def owners(members, shards):
    """The heaviest pairs first, each if its shard is free and its member has room: an eighth above the average."""
    room = dict.fromkeys(members, -(-9 * len(shards) // (8 * len(members))))
    pairs = [(-mixed(hashed(member) ^ hashed(shard)), shard.encode(), member.encode()) for shard in shards for member in members]
    result = {}
    for _, shard, member in sorted(pairs):
        shard, member = shard.decode(), member.decode()
        if shard not in result and room[member] > 0:
            result[shard] = member
            room[member] -= 1
    return result


if __name__ == "__main__":
    # Published values of FNV-1a, before it is mixed, so that this is not only compared with itself.
    for text, expected in (("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)):
        assert hashed(text) == mixed(expected), text
    for members, shards in GROUPS:
        result = owners(members, shards)
        digits = "".join("0123456789abcdefghij"[members.index(result[shard])] for shard in shards)
        print(f"{len(members)} members, {len(shards)} shards; for each, the place of its owner among the members:")
        for start in range(0, len(digits), 80):
            print(f"    {digits[start : start + 80]}")
