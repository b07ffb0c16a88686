#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of layers.py and prose.py: each mistake is found, and its harmless neighbour is not. `make lint` runs them."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import prose  # noqa: E402

LAYERS = Path(__file__).resolve().parent / "layers.py"
TABLE = """
Low:
  Base:
Kit: Low
  Transport:
  Session: Transport
  Queue: Session
  Client = Calls/Client+*.swift: Queue
  Calls: Transport
only import COpenSSL: Kit/Transport/TLS*.swift
"""
FILES = {
    "Low/Base/Base.swift": "public struct Base {}",
    "Kit/Transport/Socket.swift": "struct Socket { enum State { case open } }\nfunc offload() {}",
    "Kit/Transport/TLS.swift": "import COpenSSL\nstruct TLS {}",
    "Kit/Session/Session.swift": 'import Low\nstruct Session<Item> { let socket: Socket; func say() { print("Hold \\(socket)") } }',
    "Kit/Queue/Hold.swift": "struct Hold { let session: Session<Int>; struct Part {} }",
    "Kit/Queue/Session+Queue.swift": "extension Session { enum Turn { case next }\n func joinQueue() {} }",
    "Kit/Calls/Client+Hold.swift": "struct Client { var hold: Hold? }",
    "Kit/Calls/Call.swift": "struct Call { let socket: Socket }",
}


def layers(changes, table=TABLE):
    """The output of layers.py for a package with some files changed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {**FILES, **changes}.items():
            path = root / "Sources" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "scripts").mkdir()
        (root / "scripts" / "layers.txt").write_text(table)
        result = subprocess.run([LAYERS, "--root", root], capture_output=True, text=True)
        assert (result.returncode == 0) == (result.stdout + result.stderr == ""), result
        return result.stdout + result.stderr


class LayersTest(unittest.TestCase):
    def assertFinds(self, name, text, expected, **options):
        self.assertIn(expected, layers({name: text}, **options))

    def assertAllows(self, name, text):
        self.assertEqual(layers({name: text}), "")

    def test_the_package_as_it_should_be(self):
        self.assertEqual(layers({}), "")

    def test_a_type_of_an_upper_folder(self):
        found = "Session/Extra.swift:2: error: Session uses Hold of Queue"
        self.assertFinds("Kit/Session/Extra.swift", "struct Extra {\n let hold: Hold? }", found)
        self.assertFinds("Kit/Session/Extra.swift", "struct Extra {\n let hold: [Kit.Hold] }", found)
        self.assertFinds("Kit/Session/Extra.swift", "struct Extra {\n let part: Hold.Part }", "uses Hold.Part of Queue")
        self.assertFinds("Kit/Session/Extra.swift", '\nlet text = "a \\(Hold.self)"', found)

    def test_a_nested_type_that_an_upper_folder_adds(self):
        self.assertFinds("Kit/Session/Extra.swift", "let turn = Session.Turn.next", "Session uses Session.Turn of Queue")

    def test_an_extension(self):
        self.assertFinds("Kit/Transport/Extra.swift", "extension Session { var a: Int { 1 } }", "uses Session of Session")
        self.assertFinds("Kit/Transport/Extra.swift", "extension Session: Equatable {}", "uses Session of Session")
        # The type that is extended is only the place of the name.
        self.assertAllows("Kit/Transport/Extra.swift", "extension Session { struct Part { let a: Int } }")

    def test_a_member_that_an_upper_folder_adds(self):
        self.assertFinds("Kit/Session/Extra.swift", "func f(s: Session<Int>) { s.joinQueue() }", "uses .joinQueue of Queue")

    def test_a_function(self):
        self.assertAllows("Kit/Session/Extra.swift", "func f() { offload() }")
        table = TABLE.replace("Session: Transport", "Session:")
        self.assertFinds("Kit/Session/Extra.swift", "func f() { offload() }", "Session uses offload", table=table)
        # The name may mean a function of this folder, unless the table says that it does not.
        text = "struct Extra { func offload() {} }\nfunc f() { offload() }"
        self.assertNotIn("offload", layers({"Kit/Session/Extra.swift": text}, table))
        table += "functions: offload\n"
        self.assertFinds("Kit/Session/Extra.swift", text, "Session uses offload", table=table)

    def test_an_entry_of_files_is_apart_from_its_folder(self):
        self.assertFinds("Kit/Calls/Call.swift", "struct Call { let hold: Hold }", "Calls uses Hold of Queue")
        self.assertFinds("Kit/Calls/Call.swift", "struct Call { let client: Client }", "Calls uses Client of Client")

    def test_names_that_mean_something_else(self):
        for text in [
            "// Hold\n/* Hold */ /// ``Hold``\nlet a = \"Hold \"",
            "struct Extra { enum Hold { case a }\n let hold: Hold }",
            "struct Extra<Hold> { let hold: Hold }",
            "func f<Hold: Sendable>(_ hold: Hold) {}",
            "protocol P { associatedtype Hold }",
            "let x = Other.Hold.self",
            "func f() { other.joinAll() }",
            'let raw = #"Hold \\(Hold)"#',
            'let lines = """\n  Hold "Hold" \\"Hold\n  """',
        ]:
            self.assertAllows("Kit/Session/Extra.swift", text)

    def test_imports(self):
        self.assertFinds("Low/Base/Extra.swift", "internal import Kit", "Extra.swift:1: error: Low imports Kit")
        self.assertFinds("Low/Base/Extra.swift", "\npublic import struct Kit.Hold", "Extra.swift:2: error: Low imports Kit")
        self.assertFinds("Kit/Session/Extra.swift", "import COpenSSL", "only Kit/Transport/TLS*.swift may have")
        self.assertAllows("Kit/Session/Extra.swift", "import Foundation // import Kit")

    def test_folders_and_modules_that_the_table_does_not_have(self):
        self.assertFinds("Kit/New/New.swift", "struct New {}", "the table does not have the folder Kit/New")
        self.assertFinds("Kit/New.swift", "struct New {}", "the table does not have the folder Kit/(top)")
        self.assertFinds("New/New/New.swift", "struct New {}", "the table does not have the module New")
        self.assertIn("there is no folder Kit/Old", layers({}, TABLE.replace("  Transport:", "  Transport:\n  Old:")))

    def test_a_table_that_is_wrong(self):
        self.assertIn("a circle", layers({}, TABLE.replace("  Transport:", "  Transport: Queue")))
        self.assertIn("names Tranport", layers({}, TABLE.replace("Session: Transport", "Session: Tranport")))


def kinds(name, text):
    """The kinds of the findings in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        return [kind for _, kind, _ in sorted(set(prose.read(path)))]


class ProseTest(unittest.TestCase):
    def test_comments_and_messages_of_swift(self):
        for text, expected in [
            ("/// What is lost is not waited for.", ["comment"]),
            ("/// One thing. Who waits,\n/// sleeps.", ["comment"]),
            ("/// One thing\n/// Whoever waits, sleeps.", []),
            ("/// - Returns: What it is.", ["comment"]),
            ("let a = 1 // What a is.", ["comment"]),
            ('let a = "What is lost is not waited for"', ["message"]),
            ('let a = "\\(b). Who waits, sleeps"', ["message"]),
            ("/// What is lost?", []),
            ("/// What is lost, and who waits for it?", []),
            ("/// The one that waits. It is known what it does.", []),
            ("/// Whole sentences. Whatsoever.", []),
            ("/// ```swift\n/// What is this\n/// ```", []),
            ("/// WhatIsThis", []),
        ]:
            self.assertEqual(kinds("a.swift", text), expected, text)

    def test_markdown(self):
        for text, expected in [
            ("One.\nWhat follows is new.", ["sentence"]),
            ("## What you call", ["heading"]),
            ("## What do you call?", []),
            ("| a | what you call |\n|---|---|\n| Who waits | b |", ["cell", "cell"]),
            ("- what is lost", ["item"]),
            ("**What is lost** is not waited for.", ["sentence"]),
            ("```\nWhat is this\n```", []),
            ("One.\n\n    What is code\n\nTwo.", []),
        ]:
            self.assertEqual(kinds("a.md", text), expected, text)

    def test_other_files(self):
        self.assertEqual(kinds("a.sh", "echo # What this says.\n# Who reads\n# this knows."), ["comment", "comment"])
        self.assertEqual(kinds("a.yml", "a: What it says\n# One. What two says."), ["message", "comment"])
        self.assertEqual(kinds("a.py", '"""What it says."""\n'), ["message"])


if __name__ == "__main__":
    unittest.main()
