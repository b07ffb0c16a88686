#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes test vectors for percentage rollouts, computed here apart from the Swift code.

rollout-vectors.py [FILE]
    Two kinds of lines: {"text", "seed", "hash"} is a MurmurHash3 (x86, 32 bits) of UTF-8 text, and
    {"group", "subject", "weights", "part"} is the part of a split that a subject is in. FILE is
    scripts/rollout-vectors.jsonl, unless another is named.
"""

import json
import pathlib
import random
import sys

# Values that others have published, so that this implementation is not only compared with itself.
PUBLISHED = [
    ("", 0, 0), ("", 1, 0x514E28B7), ("", 0xFFFFFFFF, 0x81F16F39),
    ("test", 0, 0xBA6BD213), ("test", 0x9747B28C, 0x704B81DC),
    ("Hello, world!", 0, 0xC0363E43), ("Hello, world!", 0x9747B28C, 0x24884CBA),
    ("The quick brown fox jumps over the lazy dog", 0, 0x2E4FF723),
    ("The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
]  # fmt: skip

MASK = 0xFFFFFFFF


def murmur3(data, seed=0):
    def rotated(value, bits):
        return (value << bits | value >> (32 - bits)) & MASK

    def scrambled(number):
        return rotated(number * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK

    whole = len(data) - len(data) % 4
    value = seed
    for start in range(0, whole, 4):
        value ^= scrambled(int.from_bytes(data[start : start + 4], "little"))
        value = (rotated(value, 13) * 5 + 0xE6546B64) & MASK
    value ^= scrambled(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor & MASK
    return value


def part(group, subject, weights):
    bucket = murmur3(f"{group}:{subject}".encode()) * sum(weights) >> 32
    end = 0
    for index, weight in enumerate(weights):
        end += weight
        if bucket < end:
            return index
    raise AssertionError("the bucket is in no part")


def vectors():
    rng = random.Random(1)
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-_/@. äß€😀"

    def text(length):
        return "".join(rng.choice(alphabet) for _ in range(length))

    for words, seed, expected in PUBLISHED:
        assert murmur3(words.encode(), seed) == expected, words
        yield {"text": words, "seed": seed, "hash": expected}
    for length in range(40):
        words, seed = text(length), rng.choice([0, 1, rng.getrandbits(32)])
        yield {"text": words, "seed": seed, "hash": murmur3(words.encode(), seed)}
    splits = [[10, 90], [1, 99_999], [0, 1], [1, 0], [25, 25, 50], [1] * 7, [2**31 - 2, 1], [1, 0, 2**31 - 2]]
    for number in range(400):
        weights = splits[number] if number < len(splits) else rng.choice(splits)
        group, subject = text(rng.randint(0, 20)), text(rng.randint(0, 40))
        yield {"group": group, "subject": subject, "weights": weights, "part": part(group, subject, weights)}


if __name__ == "__main__":
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "rollout-vectors.jsonl"
    path.write_text("".join(json.dumps(vector, ensure_ascii=False) + "\n" for vector in vectors()))
