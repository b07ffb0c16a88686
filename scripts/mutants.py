#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks the tests whether they notice mistakes: single-line mutations of Sources.

All chosen mutations are compiled into one copy of the package, each behind a switch, and the suites that should notice
run once for each mutation, with that one switched on. So a hundred mutations cost one build. A mutation that does not
compile is replaced by another.

    scripts/mutants.py --base v0.1 --count 100
    scripts/mutants.py --files Sources/EtcdKit/Mirror --count 20 --seed 7

A mutation is killed if a test fails, crashes or hangs, and the same suite passes without the mutation. Those that survive
are printed with their line before and after.
The exit status is 0 if at least --goal of a hundred are killed.
"""
import argparse
import concurrent.futures
import hashlib
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".build-mutants"
COPY = WORK / "package"
SWITCH = "ETCD_KIT_MUTANT"

# The folders of tests that should notice a mutation in a folder of Sources, from the nearest on, where the names do not
# say it. They are of the module's own tests, unless another target stands before them.
PATTERNS_ON_QUEUE = ["Lock", "Semaphore", "Election", "Barrier", "Session", "Faults"]
SUITES = {
    "EtcdKit": ["Client", "Errors", "Channel", "Calls", "GRPC"],
    "EtcdKit/Endpoints": ["Endpoints", "Channel", "TLS", "Client"],
    "EtcdKit/Channel": ["Channel", "Calls", "Client", "Errors", "Faults", "PatternsTests/Faults"],
    "EtcdKit/Calls": ["Calls", "Channel", "Client", "Errors", "Faults", "PatternsTests/Registry"],
    "EtcdKit/GRPC": ["GRPC", "Calls", "HTTP2", "Client"],
    "EtcdKit/HTTP2": ["HTTP2", "GRPC", "Channel", "KeyValue", "Watch"],
    "EtcdKit/Transport": ["Transport", "TLS", "HTTP2", "Channel", "KeyValue", "Maintenance", "Client"],
    "EtcdKit/Wire": ["Wire", "Protobuf", "KeyValue", "Transaction", "Watch"],
    "EtcdKit/Protobuf": ["Protobuf", "Wire", "KeyValue", "Watch"],
    "EtcdKit/Lease": ["Lease", "Errors", "Faults"],
    "EtcdKit/Mirror": ["Mirror", "Namespace"],
    "EtcdKit/Watch": ["Watch", "Mirror", "Faults"],
    "EtcdTesting": ["Testing"],
    "EtcdMonitorKit": ["Monitor", "API"],
    "EtcdMonitorKit/Probes": ["Monitor"],
    "EtcdMonitorKit/Readiness": ["API"],
    "EtcdMonitorKit/Exporter": ["API", "Exporter"],
    "EtcdMonitor": ["Program"],
    "CommandLineFlags": ["Program"],
    "EtcdPatterns/Queue": PATTERNS_ON_QUEUE,
    "EtcdPatterns/Session": ["Session", *PATTERNS_ON_QUEUE],
    "EtcdPatterns/Lock": ["Lock", "Faults"],
    "EtcdPatterns/Hashing": ["Shards", "LoadBalancing", "Membership"],
    "EtcdPatterns/Election": ["Election", "ElectionFaults", "Availability", "LeaderTask", "Session", "Faults"],
    "EtcdPatterns/Configuration": ["Configuration", "Flags"],
    "EtcdPatterns/Registry": ["Registry", "LoadBalancing"],
    "EtcdPatterns/Membership": ["Membership", "Shards"],
}

# --- What can be mutated -------------------------------------------------------------------------------------------

# The digits of a mutation's number in the name of an operator.
DIGITS = "∰∱∲∳∴∵∶∷∸∹"
# Of integers, the bound moves by one. Of times and other numbers nobody could notice that, so the order is reversed.
COMPARISON = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
REVERSED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
ARITHMETIC = {"+": "-", "-": "+"}
LOGIC = {"&&": "||", "||": "&&"}


def code_of(line):
    """The line with strings and comments blanked, so that positions stay."""
    out, quoted, at = [], False, 0
    while at < len(line):
        if line[at] == '"':
            quoted = not quoted
            out.append('"')
        elif quoted and line[at] == "\\":
            out.append("  "[: len(line) - at])
            at += 1
        elif not quoted and line.startswith("//", at):
            break
        else:
            out.append(" " if quoted else line[at])
        at += 1
    return "".join(out).ljust(len(line))


def operator_name(operator, number):
    return operator + "".join(DIGITS[int(digit)] for digit in str(number))


def headers_of(lines, index):
    """The line that opens the block around a line, and the one that opens the function around it."""
    indent = len(lines[index]) - len(lines[index].lstrip())
    block = None
    for line in reversed(lines[:index]):
        own = len(line) - len(line.lstrip())
        if not line.strip() or own >= indent:
            continue
        indent = own
        block = block or line
        if re.search(r"\b(func|init|deinit|var|subscript|get|set)\b| in$|^\s*\)", line):
            return block, line
    return block or "", ""


def mutations_of(lines, index):
    """Yields (kind, what, start, end) for all that can be mutated in a line."""
    line = lines[index]
    code = code_of(line)
    body = code.strip()
    if not body or body.startswith(("import", "@", "#", "case ", "public import", "extension", "}  ")):
        return
    if re.search(r"\b(func|init|class|struct|enum|protocol|typealias|associatedtype|where)\b", body):
        return
    for match in re.finditer(r"(?<= )(<=|>=|==|!=|<|>|\+|-|&&|\|\|)(?= )", code):
        yield "operator", match[0], match.start(), match.end()
    for match in re.finditer(r"\b(true|false)\b", code):
        yield "boolean", match[0], match.start(), match.end()
    for match in re.finditer(r"(?<![\w.$\"])\d[\d_]*(?![\w.])", code):
        yield "number", match[0], match.start(), match.end()
    for match in re.finditer(r"(?<=[ (])!(?=[\w(])", code):
        yield "not", match[0], match.start(), match.end()
    for match in re.finditer(r"(?<![\w.])(min|max)\(", code):
        yield "extreme", match[1], match.start(1), match.end(1)
    match = re.match(r"^(\s*)(?:\} else )?(?:if|while) ([^{]*?) \{", code)
    if match and not re.search(r"\b(let|var|case|await|try)\b|#available|,", match[2]):
        yield "condition", line[match.start(2) : match.end(2)], match.start(2), match.end(2)
    match = re.match(r"^(\s*)guard ([^{]*?) else \{", code)
    if match and not re.search(r"\b(let|var|case|await|try)\b|#available|,", match[2]):
        yield "condition", line[match.start(2) : match.end(2)], match.start(2), match.end(2)
    block, function = headers_of(lines, index)
    match = re.match(r"^(\s*)return ([^{}]+)$", code)
    if match and match[2].strip() != "nil" and "?" in function.rpartition("->")[2] and match[2].count("(") == match[2].count(")"):
        yield "nil", line[match.start(2) :].rstrip(), match.start(2), len(line.rstrip())
    statement = r"(?:(?:try\??|await|_ =) )*[a-z_$][\w.$?\[\]]*(?:\(.*\)| [-+]?= .*)"
    keyword = r"(return|throw|let|var|if|guard|for|while|switch|defer|do|self\.init|super|public|private|static|package)\b"
    if not re.fullmatch(statement, body) or re.match(keyword, body):
        return
    if body.count("(") != body.count(")") or body.count("{") != body.count("}") or "reserveCapacity(" in body:
        return
    before = next((l.strip() for l in reversed(lines[:index]) if l.strip()), "")
    after = next((l.strip() for l in lines[index + 1 :] if l.strip()), "")
    if not before.endswith(("{", "}", ")", " in", ":")) and not re.match(statement + "|let |var |//|guard ", before):
        return
    # The only expression of a block may be its value, and initializers have to set everything.
    returns = "->" in function or bool(re.search(r"\b(var|get|subscript|in)\b", function))
    if re.match(r"[.?:&|+*/<>=]", after) or before.endswith("{") and after == "}" and returns:
        return
    start = len(code) - len(code.lstrip())
    if "init" not in function:
        yield "statement", line[start:].rstrip(), start, len(line.rstrip())
        if not returns:
            yield "return", line[start:].rstrip(), start, len(line.rstrip())


class Mutation:
    def __init__(self, path, line_number, line, kind, text, start, end):
        self.path, self.line_number, self.line = path, line_number, line
        self.kind, self.text, self.start, self.end = kind, text, start, end

    def switched(self, number):
        """The text for the line, in which a switch decides, and the support that it needs."""
        text = self.text
        if self.kind == "operator":
            return operator_name(text, number), operator_support(text, number)
        if self.kind == "boolean":
            other = "false" if text == "true" else "true"
            return f"mutant({number}, {text}, {other})", ""
        if self.kind == "number":
            return f"mutant({number}, {text}, {self.mutated_text})", ""
        if self.kind == "not":
            name = operator_name("!", number)
            return name, (
                f"prefix operator {name}\nprefix func {name} (value: Bool) -> Bool "
                f"{{ activeMutant == {number} ? value : !value }}\n"
            )
        if self.kind == "extreme":
            other = "max" if text == "min" else "min"
            name = f"{text}Mutant{number}"
            return name, (
                f"func {name}<T: Comparable>(_ a: T, _ b: T) -> T "
                f"{{ activeMutant == {number} ? Swift.{other}(a, b) : Swift.{text}(a, b) }}\n"
            )
        if self.kind == "condition":
            return f"negated({number}, {text})", ""
        if self.kind == "nil":
            return f"mutant({number}, {text}, nil)", ""
        if self.kind == "return":
            return f"if activeMutant == {number} {{ return }}; {text}", ""
        return f"if activeMutant != {number} {{ {text} }}", ""

    @property
    def mutated_text(self):
        return {
            "operator": {**COMPARISON, **ARITHMETIC, **LOGIC}.get(self.text, ""),  # of integers
            "boolean": "false" if self.text == "true" else "true",
            "number": "1" if self.text == "0" else "0",
            "not": "",
            "extreme": "max" if self.text == "min" else "min",
            "condition": f"!({self.text})",
            "statement": "",
            "nil": "nil",
            "return": "return",
        }[self.kind]

    @property
    def mutated_line(self):
        return self.line[: self.start] + self.mutated_text + self.line[self.end :]

    def describe(self):
        after = self.mutated_line.strip() or "(removed)"
        return f"{self.path}:{self.line_number}\n    - {self.line.strip()}\n    + {after}"


def operator_support(text, number):
    name = operator_name(text, number)
    active = f"activeMutant == {number}"
    if text in COMPARISON:
        other = COMPARISON[text]
        bound = "Equatable" if text in ("==", "!=") else "Comparable"
        mutated = f"(l is any BinaryInteger ? l {other} r : l {REVERSED[text]} r)"
        lines = [
            f"infix operator {name}: ComparisonPrecedence",
            f"func {name} <T: {bound}>(l: T, r: T) -> Bool {{ {active} ? {mutated} : l {text} r }}",
        ]
        if bound == "Equatable":
            lines.append(
                f"func {name} <T>(l: T?, r: _OptionalNilComparisonType) -> Bool "
                f"{{ {active} ? l {other} r : l {text} r }}"
            )
        return "\n".join(lines) + "\n"
    if text in LOGIC:
        precedence = "LogicalConjunctionPrecedence" if text == "&&" else "LogicalDisjunctionPrecedence"
        return (
            f"infix operator {name}: {precedence}\n"
            f"func {name} (l: Bool, r: @autoclosure () throws -> Bool) rethrows -> Bool "
            f"{{ try {active} ? l {LOGIC[text]} r() : l {text} r() }}\n"
        )
    other = ARITHMETIC[text]
    return (
        f"infix operator {name}: AdditionPrecedence\n"
        f"func {name} <T: AdditiveArithmetic>(l: T, r: T) -> T {{ {active} ? l {other} r : l {text} r }}\n"
        f"func {name} <I: InstantProtocol>(l: I, r: I.Duration) -> I where I.Duration == Duration "
        f"{{ l.advanced(by: {active} ? .zero {other} r : .zero {text} r) }}\n"
    )


SUPPORT = f"""import Foundation

let activeMutant = Int(ProcessInfo.processInfo.environment["{SWITCH}"] ?? "") ?? -1

func mutant<T>(_ number: Int, _ original: @autoclosure () throws -> T, _ mutated: @autoclosure () throws -> T)
    rethrows -> T
{{ try activeMutant == number ? mutated() : original() }}

func negated(_ number: Int, _ condition: @autoclosure () throws -> Bool) rethrows -> Bool
{{ try activeMutant == number ? !condition() : condition() }}
"""


def candidates(paths):
    for path in paths:
        in_text = False
        lines = (ROOT / path).read_text().split("\n")
        for number, line in enumerate(lines, 1):
            if line.count('"""') % 2 == 1:
                in_text = not in_text
                continue
            if in_text or line.lstrip().startswith("//"):
                continue
            for mutation in mutations_of(lines, number - 1):
                yield Mutation(path, number, line, *mutation)


def choose(paths, seed):
    """Mutations in a random order, at most one a line; those of lines that stay as they are keep their order."""

    def rank(mutation):
        identity = f"{seed} {mutation.path} {mutation.line.strip()} {mutation.kind} {mutation.start}"
        return hashlib.sha256(identity.encode()).digest()

    seen, chosen = set(), []
    for mutation in sorted(candidates(paths), key=rank):
        place = (mutation.path, mutation.line_number)
        if place not in seen:
            seen.add(place)
            chosen.append(mutation)
    return chosen


# --- The copy with the switches ------------------------------------------------------------------------------------

def git(*arguments):
    return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True).stdout


def write_if_changed(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def lay_out(mutants):
    """Writes the package into the copy, with `mutants`, a dictionary from number to mutation, behind switches."""
    tracked = set(git("ls-files", "--cached", "--others", "--exclude-standard").split("\n")) - {""}
    by_path = {}
    for number, mutation in mutants.items():
        by_path.setdefault(mutation.path, []).append((number, mutation))
    support = {}
    for path in tracked:
        source = ROOT / path
        if not source.is_file():
            continue
        if path in by_path:
            lines = source.read_text().split("\n")
            for number, mutation in by_path[path]:
                text, needed = mutation.switched(number)
                line = lines[mutation.line_number - 1]
                lines[mutation.line_number - 1] = line[: mutation.start] + text + line[mutation.end :]
                module = path.split("/")[1]
                support[module] = support.get(module, "") + needed
            write_if_changed(COPY / path, "\n".join(lines))
        elif not (COPY / path).exists() or (COPY / path).read_bytes() != source.read_bytes():
            (COPY / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, COPY / path)
    modules = {mutation.path.split("/")[1] for mutation in mutants.values()}
    extra = {f"Sources/{module}/Mutants.swift" for module in modules}
    for module in modules:
        write_if_changed(COPY / f"Sources/{module}/Mutants.swift", SUPPORT + support.get(module, ""))
    for folder in ("Sources", "Tests"):
        for path in (COPY / folder).rglob("*.swift"):
            name = str(path.relative_to(COPY))
            if name not in tracked and name not in extra:
                path.unlink()


def build(prefix):
    """Builds the copy; returns the places of the errors, as (path, line)."""
    command = [*prefix, "swift", "build", "--build-tests", "--package-path", str(COPY)]
    done = subprocess.run(command, capture_output=True, text=True)
    log = done.stdout + done.stderr
    (WORK / "build.log").write_text(log)
    if done.returncode == 0:
        return None
    places = set()
    for path, line in re.findall(r"^(\S+\.swift):(\d+):\d+: error:", log, re.M):
        if path.startswith(str(COPY)):
            places.add((str(Path(path).relative_to(COPY)), int(line)))
    return places


def compile_mutants(pool, count, prefix):
    """`count` mutations of the pool that compile together, by number."""
    pool = iter(pool)
    mutants, number, failures = {}, 0, 0
    while True:
        # Some will not compile, so it begins with more than are wanted.
        while len(mutants) < count and failures < 5 or number < count * 4 / 3:
            mutation = next(pool, None)
            if not mutation:
                break
            mutants[number] = mutation
            number += 1
        lay_out(mutants)
        print(f"building {len(mutants)} mutations", flush=True)
        places = build(prefix)
        if places is None:
            return dict(list(mutants.items())[:count])
        # An error may be reported a line or two from where its cause is.
        bad = {n for n, m in mutants.items() if (m.path, m.line_number) in places}
        if not bad:
            bad = {n for n, m in mutants.items() if any(m.path == p and abs(m.line_number - l) <= 12 for p, l in places)}
        if not bad:
            bad = {n for n, m in mutants.items() if m.path in {p for p, _ in places}}
        if not bad:
            sys.exit(f"mutants: the package does not build; see {WORK / 'build.log'}")
        failures += 1
        for n in bad:
            del mutants[n]


# --- The runs ------------------------------------------------------------------------------------------------------

def folder_of(path):
    parts = path.split("/")[1:-1]
    return "/".join(parts[:2])


def filters_of(path, override):
    """The tests that should notice a mutation of a file: the nearest folder of them, and then the others."""
    if override:
        return [override]
    folder = folder_of(path)
    module, _, name = folder.partition("/")
    target = {"EtcdKit": "EtcdKitTests", "EtcdTesting": "EtcdKitTests", "EtcdPatterns": "PatternsTests"}.get(module)
    if not target:
        return []
    nearest, *others = [each if "/" in each else f"{target}/{each}" for each in SUITES.get(folder) or [name]]
    found = [suites_in([nearest]), suites_in(others)]
    return [rf"({'|'.join(sorted(suites))})(/|$)" for suites in found if suites]


def suites_in(folders):
    suites = set()
    for folder in folders:
        target = folder.split("/")[0]
        for file in (ROOT / "Tests" / folder).rglob("*.swift"):
            names = re.findall(r"^(?:@\w+\s+)*(?:final )?(?:struct|class|actor|enum) (\w+Tests)\b", file.read_text(), re.M)
            suites |= {rf"{target}\.{name}" for name in names}
    return suites


def descendants(process):
    """The numbers of a process and of all that it has started, but for those that tidy up after it."""
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
    """Ends a run of tests with all its processes; the files that it has made are removed by its own reapers."""
    for number in descendants(process.pid):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(number, test_filter, timeout):
    """Runs the suites with a mutation switched on, until a test fails; returns what was seen, and the file it was in."""
    environment = dict(os.environ, **{SWITCH: str(number)})
    # The lock of the build folder would let one run at a time.
    command = ["swift", "test", "--skip-build", "--ignore-lock", "--no-parallel", "--package-path", str(COPY)]
    command += ["--filter", test_filter]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    is_late = threading.Event()

    def give_up():
        is_late.set()
        end(process)

    timer = threading.Timer(timeout, give_up)
    timer.start()
    seen, file = None, None
    for line in process.stdout:
        if "Test run with 0 tests" in line:
            sys.exit(f"mutants: no test matches {test_filter}")
        if line.startswith("✘ ") and ("recorded an issue" in line or "failed" in line):
            seen = line[2:].strip()[:160]
            file = re.search(r" at (\w+)\.swift:\d+", line)
            end(process)
            break
    status = process.wait()
    timer.cancel()
    if is_late.is_set():
        seen = f"did not end within {timeout:.0f} s"
    elif not seen and status != 0:
        seen = f"ended with status {status}"
    return seen, file and file[1]


def judge(number, filters, timeout):
    """Whether the suites kill a mutation, and what was seen; None if they fail without it, too."""
    for test_filter in filters:
        for _ in range(2):
            seen, suite = run(number, test_filter, timeout)
            if not seen:
                break
            # The suite that has failed, or all of them where that is not known.
            own = re.search(rf"\w+\\\.{suite}(?=[|)])", test_filter) if suite else None
            control = rf"{own[0]}(/|$)" if own else test_filter
            failure, _ = run(-1, control, timeout)
            if not failure:
                return True, seen
        else:
            return None, f"fails without the mutation, too: {failure}"
    return False, "no test failed"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", metavar="REVISION", help="mutate what has changed since then (where this branch left main)")
    parser.add_argument("--files", nargs="+", metavar="FILE", help="mutate these files or folders instead")
    parser.add_argument("--count", type=int, default=20, help="how many mutations (20)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="choose the same ones again")
    parser.add_argument("--list", action="store_true", help="print the mutations, and do nothing")
    parser.add_argument("--filter", metavar="REGEX", help="run these tests, whatever is mutated")
    parser.add_argument("--jobs", type=int, default=1, help="how many mutations are tried at once (1)")
    parser.add_argument("--timeout", type=float, default=900, help="how many seconds a run may take before it hangs (900)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after so many minutes")
    parser.add_argument("--goal", type=float, default=90, help="how many of a hundred must be killed (90)")
    parser.add_argument(
        "--build-prefix",
        default=os.environ.get("MUTANTS_BUILD_PREFIX", ""),
        help="what stands before the build command, such as nice ($MUTANTS_BUILD_PREFIX)",
    )
    options = parser.parse_args()
    begun = time.monotonic()

    if options.files:
        paths = git("ls-files", "-co", "--exclude-standard", "--", *options.files).split("\n")
    else:
        base = options.base or git("merge-base", "HEAD", "main").strip()
        paths = git("diff", "--name-only", "--diff-filter=d", base, "--", "Sources").split("\n")
    paths = sorted(p for p in paths if p.endswith(".swift") and filters_of(p, options.filter))
    if not paths:
        sys.exit("mutants: no file to mutate")
    if options.list:
        for mutation in choose(paths, options.seed)[: options.count]:
            print(mutation.describe())
        return
    WORK.mkdir(exist_ok=True)
    print(f"{len(paths)} files, seed {options.seed}")
    mutants = compile_mutants(choose(paths, options.seed), options.count, shlex.split(options.build_prefix))

    results, survivors, lock = {}, [], threading.Lock()

    def attempt(number):
        mutation = mutants[number]
        if time.monotonic() - begun > options.minutes * 60:
            return
        is_killed, seen = judge(number, filters_of(mutation.path, options.filter), options.timeout)
        with lock:
            if is_killed is not None:
                results[number] = is_killed
            if is_killed is False:
                survivors.append(mutation)
            name = {True: "killed  ", False: "SURVIVED", None: "unclear "}[is_killed]
            print(f"{name} {mutation.describe()}\n    {seen}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(attempt, mutants))

    killed = sum(results.values())
    print(f"\n{len(survivors)} survived:")
    for mutation in survivors:
        print(mutation.describe())
    if len(results) < len(mutants):
        print(f"{len(mutants) - len(results)} were not tried: their suites fail without them, or time was up")
    print(f"{killed} of {len(results)} mutants killed, seed {options.seed}")
    sys.exit(0 if results and killed * 100 >= options.goal * len(results) else 1)


if __name__ == "__main__":
    main()
