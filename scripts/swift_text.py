# SPDX-License-Identifier: Apache-2.0
"""Splits Swift source into code, comments and string literals. For layers.py and prose.py."""
import re
from typing import NamedTuple

NEXT_IN_CODE = re.compile(r'//|/\*|(#*)("""|")|[()]')
NEXT_IN_COMMENT = re.compile(r"/\*|\*/")


class Piece(NamedTuple):
    kind: str  # "code", "comment" or "string"
    start: int  # its place in the text
    text: str
    literal: int = -1  # for a part of a string literal: which one, since interpolations divide it


def pieces(text):
    """All of the text, in order. The code in \\(…) is code."""
    result = []
    end = len(text)
    literals = 0

    def add(kind, start, stop, literal=-1):
        if stop > start:
            result.append(Piece(kind, start, text[start:stop], literal))

    def code(i, is_interpolation):
        depth, start = 0, i - is_interpolation  # with the parenthesis
        while match := NEXT_IN_CODE.search(text, i):
            token, i = match[0], match.end()
            if token in "()":
                depth += 1 if token == "(" else -1
                if is_interpolation and depth < 0:
                    add("code", start, i)
                    return i
                continue
            add("code", start, match.start())
            if token == "//":
                stop = text.find("\n", i)
                i = end if stop < 0 else stop
                add("comment", match.start(), i)
            elif token == "/*":
                level = 1
                while level and (mark := NEXT_IN_COMMENT.search(text, i)):
                    level += 1 if mark[0] == "/*" else -1
                    i = mark.end()
                i = end if level else i
                add("comment", match.start(), i)
            else:
                i = string(match.start(), i, match[1], match[2])
            start = i
        add("code", start, end)
        return end

    def string(start, i, hashes, quotes):
        nonlocal literals
        literal, literals = literals, literals + 1
        marks = re.compile(rf"(?P<end>{quotes}{hashes})|\\{hashes}(?P<code>\()|\\{hashes}(?:.|\n)")
        while match := marks.search(text, i):
            i = match.end()
            if match["end"]:
                add("string", start, i, literal)
                return i
            if match["code"]:
                add("string", start, i - 1, literal)
                start = i = code(i, True)
        add("string", start, end, literal)
        return end

    code(0, False)
    return result
