# SPDX-License-Identifier: Apache-2.0
"""The results of the checks, and the files and programs that they need."""
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(ROOT, "Deploy")
# The time that the program has to stop, in seconds. A benchmark may need 30 to delete its keys, and a few for the rest.
GRACE = 60


def text(*path):
    """The text of a file, by its path below Deploy."""
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as file:
        return file.read()


def program(name):
    """The path of a program, beside this Python or on the PATH; None if it is missing."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return beside if os.access(beside, os.X_OK) else shutil.which(name)


def run(*command):
    """Runs a command, and returns its status and all of its output."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout.strip()


class Report:
    """Prints each check, and records whether one has failed."""

    def __init__(self, parent=None, name=""):
        self.parent, self.name, self.failed = parent, name, False

    def part(self, name):
        return Report(self, name)

    def check(self, title, isGood, evidence=""):
        """A check; its evidence is shown if it fails."""
        if isGood:
            print(f"ok       {self.name}: {title}")
        else:
            print(f"FAILED   {self.name}: {title}: {evidence}" if evidence else f"FAILED   {self.name}: {title}")
            self.fail()

    def fail(self):
        self.failed = True
        if self.parent:
            self.parent.fail()

    def same(self, title, found, expected):
        self.check(title, found == expected, f"{found!r} is not {expected!r}")

    def skip(self, title, missing):
        print(f"skipped  {self.name}: {title}: {missing} is missing")
