#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the links of the Markdown pages to files and headings of this repository. `make docs` checks those of DocC."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(path):
    """The names of the headings, as GitHub makes them."""
    result = set()
    for heading in re.findall(r"^#+ (.*)", CODE.sub("", path.read_text()), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        result.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return result


def main():
    failures = []
    pages = subprocess.check_output(["git", "-C", ROOT, "ls-files", "*.md"], text=True).splitlines()
    for page in (ROOT / name for name in pages if ".docc/" not in name):
        for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = link.partition("#")
            target = (page.parent / file).resolve() if file else page
            if not target.exists():
                failures.append(f"{page.relative_to(ROOT)}: there is no {link}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                failures.append(f"{page.relative_to(ROOT)}: {link} has no such heading")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
