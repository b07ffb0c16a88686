#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes single lines of Swift files at random, and tells which changes no test notices.

Each mutant is built and tested by the suites that should notice, in a copy of the package that keeps its build between
runs. A mutant is killed when a test fails, or when the tests do not end in time. One that does not compile does not count.

Which suites those are, the folders say: those of Tests/<Any>/<Folder> for Sources/<Target>/<Folder>, and more for some
(SUITES). The tests of the copy must pass before the first mutant.
"""

import argparse
import os
import pathlib
import queue
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Source folders whose tests stand in folders of other names, or in more than one.
SUITES = {
    "EtcdKit": ["Client", "Connection"],
    "EtcdPatterns/Hashing": ["Flags", "LoadBalancing", "Membership", "Shards"],
    "EtcdPatterns/Queue": ["Lock", "Semaphore", "Election", "Session"],
    "EtcdPatterns/Session": ["Session", "Lock"],
    "EtcdTesting": ["Testing"],
}


# MARK: Mutations


def code_of(text):
    """The text with blanks in place of comments and string literals, character by character."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:\\.|.)*?"""|#"[^\n]*?"#|"(?:\\.|[^"\\\n])*"', re.S)
    return pattern.sub(lambda match: re.sub(r"[^\n]", "\0", match.group()), text)


# A pattern, and what takes the place of what it matches. Operators stand between blanks, which tells them from generics.
SWAPS = [
    (r"(?<= )<(?= )", ["<="]), (r"(?<= )<=(?= )", ["<"]), (r"(?<= )>(?= )", [">="]), (r"(?<= )>=(?= )", [">"]),
    (r"(?<= )==(?= )", ["!="]), (r"(?<= )!=(?= )", ["=="]),
    (r"(?<= )&&(?= )", ["||"]), (r"(?<= )\|\|(?= )", ["&&"]),
    (r"(?<=[^\0] )\+(?= [^\0])", ["-"]), (r"(?<= )-(?= )", ["+"]), (r"(?<= )\*(?= )", ["/"]), (r"(?<= )/(?= )", ["*"]),
    (r"(?<= )\+=(?= )", ["-="]), (r"(?<= )-=(?= )", ["+="]),
    (r"(?<= )&\+(?= )", ["&-"]), (r"(?<= )&-(?= )", ["&+"]), (r"(?<= )%(?= )", ["/"]),
    (r"\btrue\b", ["false"]), (r"\bfalse\b", ["true"]),
    (r"\bmin(?=\()", ["max"]), (r"\bmax(?=\()", ["min"]),
    (r"\.first\b", [".last"]), (r"\.last\b", [".first"]),
    (r"\bbreak\b", ["continue"]), (r"\bcontinue\b", ["break"]),
    (r"(?<=[ (\[])!(?=[\w(])", [""]),
    (r"(?<![\w.$#])\d+(?![\w.])", None),
]  # fmt: skip

DECLARATION = re.compile(
    r"(@|#|import|let|var|func|init|deinit|case|default|struct|class|enum|actor|extension|protocol|typealias|subscript"
    r"|public|package|private|fileprivate|internal|static|final|override|mutating|convenience|nonisolated|indirect"
    r"|associatedtype|return|if|guard|while|for|switch|repeat|do|else|catch|get|set|where)\b|[@#]"
)
CONTINUATION = re.compile(r"[.?:&|+*/<>=)\]}-]|(else|catch|where|throws|async)\b")


def is_balanced(code):
    depth = 0
    for character in code:
        depth += character in "([{"
        depth -= character in ")]}"
        if depth < 0:
            return False
    return depth == 0


def is_statement(lines, index):
    """Whether the line is a whole statement, which can be left out."""
    code = lines[index].strip()
    # Initializers have to set what is theirs, and to reserve memory changes nothing.
    if re.match(r"self\.\w+ = |.*\breserveCapacity\(", code):
        return False
    if not code or DECLARATION.match(code) or not re.match(r"[\w(]", code) or not is_balanced(code):
        return False
    if not re.search(r"\w\(|\)$|\}$| [-+*/|&]?= |\+= ", code) or code.endswith((",", "(", "[", "{", "=", ":")):
        return False
    before = next((line.strip() for line in reversed(lines[:index]) if line.strip("\0 ")), "")
    after = next((line.strip() for line in lines[index + 1 :] if line.strip("\0 ")), "")
    return before.endswith(("{", "}", ")", " in", ":")) and not CONTINUATION.match(after.replace("}", "", 1).strip() or "x")


def result(lines, index):
    """What the function around a line returns, as its declaration says it; nil if that is not found."""
    indent = len(lines[index]) - len(lines[index].lstrip())
    for start in range(index - 1, -1, -1):
        if not lines[start].strip("\0 ") or len(lines[start]) - len(lines[start].lstrip()) >= indent:
            continue
        if re.search(r"\bfunc\b", lines[start]):
            head = "\n".join(lines[start:index])
            return re.sub(r".*\)[^{]*?(?=->|\{)", "", head.split("{\n")[0] + "{", count=1, flags=re.S)
        if re.search(r"\b(init|var|subscript|get|in)\b", lines[start]):
            return None
    return None


def condition(code):
    """Where the first condition of an `if`, `guard` or `while` is in its line; nil if that is a pattern."""
    match = re.search(r"\b(if|guard|while) (?!let\b|var\b|case\b|#)", code)
    if not match:
        return None
    depth = 0
    for index in range(match.end(), len(code)):
        if depth == 0 and (code[index] == "," or code.startswith((" {", " else"), index)):
            return match.end(), index
        depth += code[index] in "([{"
        depth -= code[index] in ")]}"
        if depth < 0:
            return None
    return (match.end(), len(code)) if depth == 0 else None


def mutations(text):
    """All changes of single lines: the index of the line, and what it becomes."""
    original = text.split("\n")
    lines = code_of(text).split("\n")
    for index, code in enumerate(lines):
        line = original[index]
        if not code.strip("\0 ") or re.match(r"\s*(import|public import|@)", code):
            continue
        found = condition(code)
        if found:
            start, end = found
            yield index, f"{line[:start]}!({line[start:end]}){line[end:]}"
        for pattern, replacements in SWAPS:
            for match in re.finditer(pattern, code):
                news = replacements or {"0": ["1"], "1": ["0", "2"]}.get(match[0], [str(int(match[0]) + 1), "0"])
                for new in news:
                    if match[0] != new:
                        yield index, line[: match.start()] + new + line[match.end() :]
        returned = result(lines, index) or ""
        if "?" in returned and (found := re.search(r"\breturn (?!nil\b)[^{}]*?(?=\s*(\}|$))", code)):
            yield index, f"{line[:found.start()]}return nil{line[found.end():]}"
        if is_statement(lines, index):
            yield index, ""
            if "->" not in returned:
                yield index, re.match(r"\s*", line)[0] + "return"


def chosen(files, rng):
    """Mutants of the files in random order, line by line, so that no line with many changes counts for more."""
    places = {}
    for file in files:
        for index, new in mutations((ROOT / file).read_text()):
            places.setdefault((file, index), []).append(new)
    lines = sorted(places)
    rng.shuffle(lines)
    for place in lines:
        rng.shuffle(places[place])
    while lines:
        for file, index in lines:
            yield file, index, places[file, index].pop()
        lines = [place for place in lines if places[place]]


# MARK: Files


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def changed_files(base):
    base = base or git("merge-base", "HEAD", "main").strip()
    return sorted({*git("diff", "--name-only", "--diff-filter=d", base).split()} | {*untracked()})


def untracked():
    return git("ls-files", "--others", "--exclude-standard").split()


def copy_package(target):
    """Brings the copy in line with the package, and touches only files that differ, so that little is built again."""
    names = {name for name in git("ls-files", "-z", "-co", "--exclude-standard").split("\0") if (ROOT / name).is_file()}
    for name in names:
        old, new = target / name, ROOT / name
        if not old.is_file() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(new, old)
    for folder in ["Sources", "Tests"]:
        for path in (target / folder).rglob("*"):
            if path.is_file() and str(path.relative_to(target)) not in names:
                path.unlink()


def suites_for(file, root):
    """The test suites that should notice a change of a source file."""
    parts = pathlib.PurePath(file).parts[1:-1]
    folders = SUITES.get("/".join(parts)) or [parts[-1]]
    found = set()
    for folder in folders:
        for path in root.glob(f"Tests/*/{folder}/**/*.swift"):
            found.update(re.findall(r"^[\w@ ]*\b(?:struct|class|actor) (\w+Tests)\b", path.read_text(), re.M))
    return found


def filter_for(suites):
    return rf"\.({'|'.join(sorted(suites))})/"


# MARK: Building and testing


def descendants(process):
    """The numbers of a process and all that come of it, but for those that tidy up after a test process."""
    children, names = {}, {}
    table = subprocess.run(["ps", "-axo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    for row in table.splitlines():
        number, parent, *rest = row.split(None, 2)
        children.setdefault(int(parent), []).append(int(number))
        names[int(number)] = rest[0] if rest else ""
    found, waiting = [], [process]
    while waiting:
        number = waiting.pop()
        if "etcd-testing-reaper" not in names.get(number, ""):
            found.append(number)
            waiting += children.get(number, [])
    return found


def end(process):
    """Ends a run of tests with all its processes; what it has started is removed by its own reapers."""
    for number in descendants(process.pid):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


class Package:
    """A package that is built and tested again and again."""

    def __init__(self, root, options):
        self.root = root
        self.build_prefix = shlex.split(options.build_prefix)
        self.test_prefix = shlex.split(options.test_prefix)

    def build(self):
        """What the compiler says against the package; nil if it builds."""
        command = [*self.build_prefix, "swift", "build", "--build-tests"]
        result = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        if result.returncode == 0:
            return None
        lines = result.stdout.splitlines() + result.stderr.splitlines()
        return "\n".join([line for line in lines if "error:" in line][:5] or lines[-5:])

    def test(self, pattern, timeout):
        """Runs tests until the first fails.

        Returns what has failed, or nil, and how long they took. The time begins with the first line of output, which a
        shell writes, since before it a prefix may wait for its turn.
        """
        unbuffered = ["stdbuf", "-oL"] if shutil.which("stdbuf") else []
        tests = [*unbuffered, "swift", "test", "--skip-build", "--no-parallel", "--filter", pattern]
        command = [*self.test_prefix, "/bin/sh", "-c", 'echo begun; exec "$@"', "sh", *tests]
        process = subprocess.Popen(command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        start, last = None, ""
        failure = None
        try:
            while failure is None:
                try:
                    line = lines.get(timeout=None if start is None else max(0.01, start + timeout - time.monotonic()))
                except queue.Empty:
                    failure = f"the tests did not end within {timeout:.0f} s"
                    break
                if line is None:
                    break
                start = start or time.monotonic()
                last = line.strip() or last
                if re.match(r"✘|.*: error: ", line):
                    failure = line.strip()
                if re.search(r"Test run with 0 tests", line):
                    failure = f"no test is called {pattern}"
            if failure is None and process.wait() != 0:
                failure = f"the tests ended with {process.returncode}: {last}"
        finally:
            end(process)
        return failure, time.monotonic() - (start or time.monotonic())


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="+", metavar="FILE", help="files or folders to change (those that differ from --base)")
    parser.add_argument("--base", metavar="REVISION", help="where changed files differ from (where this branch left main)")
    parser.add_argument("--count", type=int, default=20, help="how many mutants to try (20)")
    parser.add_argument("--minutes", type=float, help="begin no mutant after so many minutes")
    parser.add_argument("--seed", type=int, help="repeats a choice of mutants (random)")
    parser.add_argument("--filter", metavar="REGEX", help="the tests to run, in place of those of the folders")
    parser.add_argument("--list", action="store_true", help="print the mutants, and do nothing")
    parser.add_argument("--here", action="store_true", help="change the files of this package, and put them back, "
                        "instead of a copy in .build/mutants")  # fmt: skip
    for step in ["build", "test"]:
        name = f"MUTANTS_{step.upper()}_PREFIX"
        parser.add_argument(f"--{step}-prefix", default=os.environ.get(name, ""), metavar="COMMAND",
                            help=f"stands before each swift {step}, such as `nice` (${name})")  # fmt: skip
    return parser.parse_args()


def swift_files(options):
    if not options.files:
        names = changed_files(options.base)
    else:
        paths = [pathlib.Path(file).resolve() for file in options.files]
        paths = [path for given in paths for path in (given.rglob("*.swift") if given.is_dir() else [given])]
        names = sorted(str(path.relative_to(ROOT)) for path in paths)
    return [name for name in names if name.startswith("Sources/") and name.endswith(".swift")]


def main():
    options = parse()
    sys.stdout.reconfigure(line_buffering=True)
    seed = random.randrange(1 << 31) if options.seed is None else options.seed
    rng = random.Random(seed)
    files = swift_files(options)
    if not files:
        sys.exit("mutants: no Swift file under Sources is to be changed; name some by --files, or a --base")
    mutants = chosen(files, rng)
    if options.list:
        for file, index, new in mutants:
            print(f"{file}:{index + 1}: {new.strip() or '(left out)'}")
        return
    root = ROOT if options.here else ROOT / ".build" / "mutants"
    if not options.here:
        copy_package(root)
    filters = {file: options.filter or filter_for(suites_for(file, root)) for file in files}
    for file in [file for file in files if filters[file] == filter_for([])]:
        print(f"mutants: no suite belongs to {file}; see SUITES, or give a --filter")
        files.remove(file)
    print(f"mutants: {len(files)} files, seed {seed}")
    package = Package(root, options)
    if error := package.build():
        sys.exit(f"mutants: the package does not build:\n{error}")
    times = {}
    for pattern in sorted({filters[file] for file in files}):
        failure, times[pattern] = package.test(pattern, timeout=3600)
        if failure:
            sys.exit(f"mutants: the tests fail as it is, with --filter '{pattern}':\n{failure}")
        print(f"mutants: {pattern} passes in {times[pattern]:.0f} s")
    run(package, mutants, filters, times, options)


def run(package, mutants, filters, times, options):
    begin = time.monotonic()
    survivors, killed, skipped = [], 0, 0
    for file, index, new in mutants:
        if killed + len(survivors) >= options.count:
            break
        if options.minutes is not None and time.monotonic() - begin > options.minutes * 60:
            print("mutants: the time is over")
            break
        pattern = filters[file]
        if pattern not in times:
            continue
        path = package.root / file
        original = path.read_text()
        lines = original.split("\n")
        before, lines[index] = lines[index], new
        name = f"{file}:{index + 1}"
        try:
            path.write_text("\n".join(lines))
            if package.build():
                skipped += 1
                continue
            failure, _ = package.test(pattern, timeout=30 + 3 * times[pattern])
        finally:
            path.write_text(original)
        if failure:
            killed += 1
            print(f"killed    {name}: {new.strip() or '(left out)'}\n    by {failure[:150]}")
        else:
            survivors.append(name)
            print(f"SURVIVED  {name}\n    before: {before.strip()}\n    after:  {new.strip() or '(left out)'}")
    print(f"{killed} of {killed + len(survivors)} mutants killed; {skipped} did not compile")


if __name__ == "__main__":
    for number in [signal.SIGTERM, signal.SIGHUP]:
        # So that files are put back, and processes end.
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(1)
