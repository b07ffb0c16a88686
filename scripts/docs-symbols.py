#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prepares the symbols of a module for DocC: docs-symbols.py MODULE SYMBOLS PAGE

Links to types of EtcdKit get the name of that module, which DocC needs and readers of the source do not. Fails when the
page of the module does not list a public type or function of it.
"""

import json
import pathlib
import re
import sys


def top_level(path):
    symbols = json.loads(path.read_text())["symbols"]
    return {symbol["pathComponents"][0] for symbol in symbols if len(symbol["pathComponents"]) == 1}


module, folder, page = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
own = top_level(folder / module / f"{module}.symbols.json")
foreign = top_level(folder / "EtcdKit" / "EtcdKit.symbols.json") - own
for graph in (folder / module).glob("*.json"):
    link = re.compile(r"``(\w+)(?=[`/])")
    text = link.sub(lambda name: f"``/EtcdKit/{name[1]}" if name[1] in foreign else name[0], graph.read_text())
    graph.write_text(text)

missing = sorted(own - set(re.findall(r"^- ``(.*)``$", page.read_text(), re.MULTILINE)))
if missing:
    sys.exit(f"docs: {page} does not list {', '.join(missing)}")
