#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds sentences that begin with "Who", "Whoever" or "What" and are no questions.

    scripts/prose.py [--count] [FILE OR FOLDER]...

Such a sentence ("What is lost is not waited for") hides its subject. It is looked for in comments and string literals of
Swift, in comments of scripts and settings, and in Markdown: sentences, headings, items of lists, cells of tables. Without
arguments, all files that git knows are read. --count prints a sum for each kind of place only.
"""
import argparse
import ast
import collections
import re
import subprocess
import sys
from pathlib import Path

import swift_text

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {ROOT / "scripts" / "lint-test.py"}  # has such sentences on purpose
HASH_COMMENTS = {".py", ".sh", ".yml", ".yaml", ".toml", ".rb"}
# The lead of a sentence: emphasis, quotes, an opening bracket.
LEAD = r"[*_\"'“„(\[]*"
WORD = r"(?:Who|Whoever|What)(?:'s)?\b(?!-)"
SENTENCE = re.compile(rf"(?:\A|(?<=[.!?:;]\s)|(?<=[.!?:;][)\"'*_`”]\s)){LEAD}({WORD})")
# Where a text is short and has no full stop, such as a cell or an item, the first word is often small.
FIRST = re.compile(rf"\A{LEAD}({WORD})", re.IGNORECASE)
END = re.compile(r"[.!?](?=[)\"'*_`”]*(?:\s|\Z))")


class Text:
    """A run of text, and the line that each of its characters stands on."""

    def __init__(self):
        self.characters = []
        self.lines = []

    def add(self, text, line):
        for character in text:
            self.characters.append(" " if character == "\n" else character)
            self.lines.append(line)
            line += character == "\n"

    def __str__(self):
        return "".join(self.characters)


def findings(text, line_of, is_short=False):
    """The line and the sentence of each finding in a text."""
    for match in (FIRST if is_short else SENTENCE).finditer(text):
        start = match.start(1)
        end = END.search(text, start)
        stop = end.end() if end else len(text)
        if (end is None or end[0] != "?") and not text[start:stop].rstrip().endswith("?"):
            yield line_of(start), " ".join(text[start:stop].split())


# --- Markdown, also in comments --------------------------------------------------------------------------------------

FIELD = re.compile(r"\A(?:Parameter [\w`]+|Parameters|Returns|Throws|Note|Important|Warning|Tip|Precondition|[\w`]+):\s+")
BULLET = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")


def markdown(lines):
    """The findings in (number, line) pairs of Markdown, with what they stand in."""
    paragraph = Text()
    in_fence, is_first, after_blank = None, True, True

    def flush():
        nonlocal paragraph
        text, numbers = str(paragraph), paragraph.lines
        paragraph = Text()
        yield from ((line, "sentence", found) for line, found in findings(text, lambda i: numbers[i]))

    in_list = False
    for number, line in lines:
        stripped = line.strip()
        fence = re.match(r"(```+|~~~+)", stripped)
        if in_fence:
            if fence and stripped.startswith(in_fence):
                in_fence = None
            continue
        if fence:
            in_fence = fence[1]
            yield from flush()
        elif not stripped:
            yield from flush()
            after_blank = True
            continue
        elif stripped.startswith("#") and re.match(r"#+\s", stripped):
            yield from flush()
            for _, found in findings(stripped.lstrip("# "), lambda _: number, is_short=True):
                yield number, "heading", found
            in_list = False
        elif stripped.startswith("|"):
            yield from flush()
            for cell in re.split(r"(?<!\\)\|", stripped.strip("|")):
                for _, found in findings(cell.strip(), lambda _: number, is_short=True):
                    yield number, "cell", found
                yield from ((number, "cell", found) for _, found in findings(" " + cell.strip(), lambda _: number))
        elif line.startswith("    ") and after_blank and not in_list:
            continue  # code
        elif bullet := BULLET.match(line):
            yield from flush()
            in_list = True
            item = line[bullet.end() :]
            field = FIELD.match(item)
            paragraph.add(item[field.end() :] if field else item, number)
            paragraph.add("\n", number)
            if not field and (match := FIRST.match(item)) and match[1][0].islower() and "?" not in item:
                yield number, "item", item.strip()
        else:
            if not line.startswith(" ") and after_blank:
                in_list = False
            paragraph.add(re.sub(r"\A\s*>\s?", "", line) + "\n", number)
        after_blank = False
    yield from flush()


# --- The kinds of files ----------------------------------------------------------------------------------------------


def swift(text):
    block, literals = [], {}
    before_is_comment = False
    for piece in swift_text.pieces(text):
        line = text.count("\n", 0, piece.start) + 1
        if piece.kind == "comment":
            if block and not (before_is_comment and piece.text.startswith("//")):
                yield from comment(block)
                block = []
            block += [(line + i, row) for i, row in enumerate(piece.text.split("\n"))]
            before_is_comment = True
        elif piece.kind == "string":
            literal = literals.setdefault(piece.literal, Text())
            if literal.characters:
                literal.add("…", line)
            content = piece.text.replace("\\n", ". ").replace("\\\n", " \n")
            literal.add(content.lstrip('#"').rstrip('#"'), line)
            before_is_comment = False
        elif piece.text.strip() or piece.text.count("\n") > 1:
            before_is_comment = False
    yield from comment(block)
    for literal in literals.values():
        content = str(literal)
        numbers = literal.lines
        lead = len(content) - len(content.lstrip())
        yield from (
            (line, "message", found) for line, found in findings(content[lead:], lambda i: numbers[min(i + lead, len(numbers) - 1)])
        )


def comment(block):
    rows = []
    for number, row in block:
        row = re.sub(r"\A\s*(?:///? ?|/\*\*? ?|\* )", "", row)
        row = re.sub(r"\A(?:MARK|TODO|FIXME): (?:- )?", "", row)
        rows.append((number, row.removesuffix("*/")))
    for line, _, found in markdown(rows):
        yield line, "comment", found


def hash_comments(text):
    block = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*#+ ?(.*)", line)
        if match is None and (match := re.search(r"\s##? (.*)", line)):  # behind a command
            yield from comment_rows([(number, match[1])])
        elif match is None:
            yield from comment_rows(block)
            block = []
        else:
            block.append((number, match[1]))
    yield from comment_rows(block)


def comment_rows(rows):
    for line, _, found in markdown(rows):
        yield line, "comment", found


def python_strings(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for line, found in findings(node.value.strip(), lambda i: node.lineno + node.value.count("\n", 0, i)):
                yield line, "message", found


def yaml_values(text):
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        value = re.sub(r"\A\s*(?:- )?(?:[\w$.\"'-]+:\s+)?[\"'|>]*", "", line)
        yield from ((number, "message", found) for _, found in findings(value, lambda _: number))


def read(path):
    """The findings of a file."""
    try:
        text = path.read_text()
    except (UnicodeDecodeError, IsADirectoryError, FileNotFoundError):
        return
    if path.suffix == ".swift":
        yield from swift(text)
    elif path.suffix == ".md":
        yield from markdown(list(enumerate(text.splitlines(), 1)))
    elif path.suffix in HASH_COMMENTS or path.name in ("Makefile", "Dockerfile", "run", "CODEOWNERS", "layers.txt"):
        yield from hash_comments(text)
        if path.suffix == ".py":
            yield from python_strings(text)
        if path.suffix in (".yml", ".yaml"):
            yield from yaml_values(text)


def files(arguments):
    if not arguments:
        command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"]
        arguments = [ROOT / name for name in subprocess.check_output(command, text=True).splitlines()]
    for path in map(Path, arguments):
        yield from (file for file in sorted(path.rglob("*")) if ".build" not in str(file)) if path.is_dir() else [path]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", action="store_true", help="print sums instead of the places")
    parser.add_argument("files", nargs="*", metavar="FILE OR FOLDER")
    arguments = parser.parse_args()
    counts = collections.Counter()
    for path in files(arguments.files):
        if path.resolve() in EXAMPLES:
            continue
        shown = path.relative_to(ROOT) if path.is_absolute() and path.is_relative_to(ROOT) else path
        for line, kind, found in sorted(set(read(path))):
            counts[kind] += 1
            if not arguments.count:
                print(f"{shown}:{line}: error: a {kind} begins with {found.split()[0]!r}: {found[:90]}")
    if arguments.count:
        for kind, count in counts.most_common():
            print(f"{count:6} {kind}s")
    if counts:
        sys.exit(f'prose: {counts.total()} sentences begin with "Who", "Whoever" or "What"; name the subject')


if __name__ == "__main__":
    main()
