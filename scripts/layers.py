#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the layers of Docs/Design.md hold: a folder uses only the folders below it.

    scripts/layers.py              prints the violations, as file:line, and fails if there are any
    scripts/layers.py --graph      prints, for each folder, which folders it uses
    scripts/layers.py --uses A B   prints where the folder A uses the folder B
    scripts/layers.py --root DIR   checks another copy of the package

scripts/layers.txt says what each folder may use. The script reads the sources as text. It collects the names that each
folder declares, and looks for them in the other folders: types, also nested ones by their full name; free functions; and
members that a folder adds to a type of another folder or module. A function or member counts only if nothing else in the
module has its name. So a use through a type that is inferred, of a member that stands beside its type, is not seen.
"""
import argparse
import collections
import functools
import re
import sys
from pathlib import Path

import swift_text

TOP = "(top)"  # The files that are in no folder.
IDENTIFIER = r"[A-Za-z_]\w*"


# --- The table -----------------------------------------------------------------------------------------------------


class Table:
    """The content of layers.txt. See the comments there."""

    def __init__(self, path):
        self.folders = {}  # module -> entry -> the entries it names
        self.patterns = {}  # module -> entry -> the folder or the files that it stands for
        self.imports = {}  # module -> the modules it may import
        self.only = []  # (regular expression, its text, path patterns)
        self.functions = set()
        self.ignored = set()
        module = None
        text = re.sub(r"\n {6,}", " ", path.read_text())  # A line that goes far to the right belongs to the one before.
        for line in text.splitlines():
            line = "" if line.startswith("#") else line.rstrip()
            if not line.strip():
                continue
            key, separator, rest = line.rpartition(":") if line.startswith("only ") else line.partition(":")
            words = rest.split()
            if not separator:
                sys.exit(f"{path}: a line needs a colon: {line}")
            if line[0].isspace():
                if module is None:
                    sys.exit(f"{path}: a folder stands below its module: {line}")
                name, _, patterns = key.partition("=")
                self.folders[module][name.strip()] = words
                self.patterns[module][name.strip()] = patterns.split() or [name.strip()]
            elif key == "functions":
                self.functions.update(words)
            elif key == "ignore":
                self.ignored.update(words)
            elif key.startswith("only "):
                self.only.append((re.compile(key[5:].strip()), key[5:].strip(), words))
            else:
                module = key
                self.folders[module] = {}
                self.patterns[module] = {}
                self.imports[module] = set(words)
        for module, folders in self.folders.items():
            for folder, used in folders.items():
                for other in used:
                    if other not in folders:
                        sys.exit(f"{path}: {module}/{folder} names {other}, which is not in the table")
        self.reachable = {
            module: {folder: self._reach(module, folder, []) for folder in folders}
            for module, folders in self.folders.items()
        }

    def _reach(self, module, folder, way):
        if folder in way:
            sys.exit(f"layers: a circle in the table: {' -> '.join([*way[way.index(folder):], folder])}")
        reached = set()
        for other in self.folders[module][folder]:
            reached |= {other} | self._reach(module, other, [*way, folder])
        return reached

    def group(self, module, path):
        """The entry that a file belongs to. Files that an entry names are not those of their folder."""
        path = Path("/") / path
        for name, patterns in self.patterns.get(module, {}).items():
            if any(path.match(f"/{pattern}") for pattern in patterns if pattern.endswith(".swift")):
                return name
        for name, patterns in self.patterns.get(module, {}).items():
            if len(path.parts) > 2 and path.parts[1] in patterns:
                return name
        return path.parts[1] if len(path.parts) > 2 else TOP

    def allows(self, module, folder, other):
        return folder == other or other in self.reachable[module].get(folder, ())


# --- Swift as text ---------------------------------------------------------------------------------------------------


@functools.cache
def code_only(path):
    """The text of a file at the same lines, without comments and string literals. The code in \\(…) stays."""
    result = []
    for piece in swift_text.pieces(path.read_text()):
        if piece.kind == "code":
            result.append(piece.text)
        else:
            result.append('"' * (piece.kind == "string") + ("\n" * piece.text.count("\n") or " "))
    return "".join(result)


TOKEN = re.compile(rf"`?{IDENTIFIER}`?|[{{}}().<>:,=]|\S|\n")
TYPE_WORDS = {"struct", "class", "enum", "protocol", "actor", "typealias", "associatedtype"}


class Source:
    """A file: what it declares, and its tokens."""

    def __init__(self, path, root, table):
        self.path = path
        relative = path.relative_to(root / "Sources")
        self.module = relative.parts[0]
        self.folder = table.group(self.module, relative.relative_to(self.module))
        self.name = path.relative_to(root)
        self.tokens = []  # (text, line)
        line = 1
        for match in TOKEN.finditer(code_only(path)):
            if match[0] == "\n":
                line += 1
            else:
                self.tokens.append((match[0].strip("`"), line))
        self.types = []  # full names of types, such as ("LeaderElection", "Event")
        self.extended = set()  # the outermost types that the file extends
        self.functions = []  # free functions and variables
        self.members = []  # (outermost type, name), of members in extensions
        self.declared = collections.Counter()  # each name of any function, variable, case or parameter
        self.generics = set()
        self.namespaces = set()  # the tokens that name a type in an extension that only adds nested types to it
        self._read()

    def _read(self):
        scopes = []  # for each open brace: the full name of the type that it opens, or None; and its extension
        pending, extension = None, None  # those of the brace that comes next
        extensions = {}  # the token that names the type -> whether it has members
        tokens = self.tokens
        for i, (token, _) in enumerate(tokens):
            before = tokens[i - 1][0] if i else ""
            after = tokens[i + 1][0] if i + 1 < len(tokens) else ""
            if token == "{":
                scopes.append((pending, extension))
                pending, extension = None, None
            elif token == "}":
                if scopes:
                    scopes.pop()
            elif token in ("init", "subscript", "func", "var", "let") and scopes and scopes[-1][1] is not None:
                extensions[scopes[-1][1]] = True
            if before == "." or not re.fullmatch(IDENTIFIER, after):
                continue
            if token in TYPE_WORDS and not (token == "class" and after in ("func", "var", "let", "subscript")):
                self._note_generics(i + 2)
                if token == "associatedtype" or any(name is None for name, _ in scopes):  # or within a function
                    self.generics.add(after)
                    continue
                full = (*(scopes[-1][0] if scopes else ()), after)
                self.types.append(full)
                if token != "typealias":
                    pending = full
            elif token == "extension":
                full, j = [after], i + 2
                while j + 1 < len(tokens) and tokens[j][0] == ".":
                    full.append(tokens[j + 1][0])
                    j += 2
                self.extended.add(full[0])
                pending, extension = tuple(full), i + 1
                extensions[i + 1] = j < len(tokens) and tokens[j][0] == ":"  # a conformance
            elif token in ("func", "var", "let", "case", "macro"):
                self.declared[after] += 1
                if token == "func":
                    self._note_generics(i + 2)
                if token in ("func", "var", "let"):
                    if not scopes:
                        self.functions.append(after)
                    elif all(name is not None for name, _ in scopes):
                        self.members.append((scopes[0][0][0], after))
        self.namespaces = {i for i, has_members in extensions.items() if not has_members}

    def _note_generics(self, i):
        """The names of generic parameters: <A, B: C>."""
        if i >= len(self.tokens) or self.tokens[i][0] != "<":
            return
        depth, expects = 0, True
        for token, _ in self.tokens[i : i + 60]:
            if token == "<":
                depth += 1
            elif token == ">":
                depth -= 1
                if depth == 0:
                    return
            elif token == ",":
                expects = depth == 1
            elif expects and depth == 1 and re.fullmatch(IDENTIFIER, token):
                if token not in ("each", "let"):
                    self.generics.add(token)
                    expects = False


# --- The check ---------------------------------------------------------------------------------------------------------


class Check:
    def __init__(self, table, root):
        self.table = table
        self.root = root
        self.sources = [Source(path, root, table) for path in sorted((root / "Sources").glob("*/**/*.swift"))]
        self.violations = []
        self.uses = []  # (module, folder, other folder, file, line, name)

    def run(self):
        self._check_table()
        self._check_imports()
        self._check_only()
        for module in self.table.folders:
            if self.table.folders[module]:
                self._check_names(module, [source for source in self.sources if source.module == module])
        return sorted(set(self.violations), key=lambda violation: (violation[0], violation[1]))

    def _check_table(self):
        modules = {source.module for source in self.sources}
        for module in sorted(modules - set(self.table.folders)):
            self.violations.append(("scripts/layers.txt", 1, f"the table does not have the module {module}"))
        for module, folders in self.table.folders.items():
            there = {source.folder for source in self.sources if source.module == module}
            for folder in sorted(there - set(folders)) if folders else ():
                self.violations.append(("scripts/layers.txt", 1, f"the table does not have the folder {module}/{folder}"))
            for folder in sorted(set(folders) - there):
                self.violations.append(("scripts/layers.txt", 1, f"there is no folder {module}/{folder}"))

    def _check_imports(self):
        pattern = re.compile(rf"^[^\S\n]*(?:(?:@\w+|public|package|internal)\s+)*import\s+(?:\w+\s+)?({IDENTIFIER})", re.M)
        modules = {source.module for source in self.sources}
        for source in self.sources:
            text = code_only(source.path)
            for match in pattern.finditer(text):
                if match[1] in modules and match[1] not in self.table.imports.get(source.module, ()):
                    line = text.count("\n", 0, match.start(1)) + 1
                    self.violations.append((str(source.name), line, f"{source.module} imports {match[1]}"))

    def _check_only(self):
        for pattern, text, places in self.table.only:
            for source in self.sources:
                if any(source.name.relative_to("Sources").match(place) for place in places):
                    continue
                for number, line in enumerate(code_only(source.path).splitlines(), 1):
                    if pattern.search(line):
                        where = ", ".join(places)
                        self.violations.append((str(source.name), number, f"only {where} may have `{text}`"))

    def _check_names(self, module, sources):
        owners = collections.defaultdict(set)  # full name of a type -> folders
        nested = collections.defaultdict(set)  # last part of a nested name -> its outermost types
        top = {}
        for source in sources:
            for full in source.types:
                owners[full].add(source.folder)
                if len(full) > 1:
                    nested[full[-1]].add(full[0])
        for full, folders in owners.items():
            if len(full) == 1 and len(folders) == 1:
                top[full[0]] = next(iter(folders))
        functions, members = self._unique_names(sources, top)

        for source in sources:
            own = {full[0] for full in source.types} | source.extended
            # A name that may mean a nested type or a generic parameter here.
            hidden = source.generics | {name for name, types in nested.items() if types & own}
            for i, (token, line) in enumerate(source.tokens):
                before = source.tokens[i - 1][0] if i else ""
                if token in self.table.ignored:
                    continue
                if token in top and token not in hidden and (before != "." or self._is_module(source, i, module)):
                    full = self._qualified(source, i, owners)
                    if len(full) == 1 and i not in source.namespaces:
                        self._note(source, line, token, top[token])
                    elif len(full) > 1:  # The outer type is only the place of the name.
                        for folder in owners[full]:
                            self._note(source, line, ".".join(full), folder)
                elif token in functions and before not in (".", "func"):
                    self._note(source, line, token, functions[token])
                elif before == "." and token in members:
                    self._note(source, line, f".{token}", members[token])

    @staticmethod
    def _is_module(source, i, module):
        return i >= 2 and source.tokens[i - 2][0] == module

    @staticmethod
    def _qualified(source, i, owners):
        """The longest declared name that begins at a token."""
        full = (source.tokens[i][0],)
        while i + 2 < len(source.tokens) and source.tokens[i + 1][0] == "." and (*full, source.tokens[i + 2][0]) in owners:
            full = (*full, source.tokens[i + 2][0])
            i += 2
        return full

    def _unique_names(self, sources, top):
        """The folders of free functions, and of members that a folder adds to types from elsewhere, by name.

        A name that anything else in the module has, too, is not among them, but for functions that the table lists.
        """
        declared = collections.Counter()
        functions, members = {}, {}
        for source in sources:
            declared.update(source.declared)
        for source in sources:
            for name in source.functions:
                if declared[name] == 1 or name in self.table.functions:
                    functions[name] = source.folder
            for type_name, name in source.members:
                if declared[name] == 1 and type_name in source.extended and top.get(type_name) != source.folder:
                    members[name] = source.folder
        return functions, members

    def _note(self, source, line, name, folder):
        if folder == source.folder:
            return
        self.uses.append((source.module, source.folder, folder, str(source.name), line, name))
        if not self.table.allows(source.module, source.folder, folder):
            self.violations.append((str(source.name), line, f"{source.folder} uses {name} of {folder}"))


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=here.parent, help="the package to check")
    parser.add_argument("--table", type=Path, help="the table (scripts/layers.txt of the package)")
    parser.add_argument("--graph", action="store_true", help="print which folders each folder uses, and how often")
    parser.add_argument("--uses", nargs=2, metavar=("FOLDER", "OTHER"), help="print where one folder uses another")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    check = Check(Table(arguments.table or root / "scripts" / "layers.txt"), root)
    violations = check.run()
    if arguments.graph:
        graph = collections.defaultdict(collections.Counter)
        for module, folder, other, *_ in check.uses:
            graph[f"{module}/{folder}"][other] += 1
        for folder, used in sorted(graph.items()):
            print(f"{folder}: {', '.join(f'{name} {count}' for name, count in sorted(used.items()))}")
        return
    if arguments.uses:
        for module, folder, other, file, line, name in check.uses:
            if [folder, other] == arguments.uses:
                print(f"{file}:{line}: {name}")
        return
    for file, line, text in violations:
        print(f"{file}:{line}: error: {text}")
    if violations:
        sys.exit(f"layers: {len(violations)} uses that scripts/layers.txt does not allow")


if __name__ == "__main__":
    main()
