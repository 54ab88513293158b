#!/usr/bin/python3
"""schema_check.py SCHEMA_FOLDER [FILE]: holds custody entries against the JSON Schema of their kind.

Reads one object a line, as `impound log --json` ({"index", "entry"}) or the bare entry, from FILE or stdin. Prints a line
for each problem and "checked <n> entries of <k> kinds"; ends with 1 when there was a problem, with 2 when there was nothing.
Needs Debian's python3-jsonschema.
"""
import collections
import json
import pathlib
import sys

import jsonschema


def validators(folder):
    """One validator a kind; references between the files are resolved inside the folder."""
    schemas = {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}
    base = folder.resolve().as_uri() + "/"
    store = {base + name: schema for name, schema in schemas.items()}
    found = {}
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        resolver = jsonschema.RefResolver(base + name, schema, store=store)
        found[name.removesuffix(".json")] = jsonschema.Draft202012Validator(schema, resolver=resolver)
    return found


def main():
    known = validators(pathlib.Path(sys.argv[1]))
    lines = open(sys.argv[2], encoding="utf-8") if len(sys.argv) > 2 else sys.stdin
    counts = collections.Counter()
    problems = 0
    for number, line in enumerate(lines):
        entry = json.loads(line)
        entry = entry.get("entry", entry)
        kind = entry.get("kind", "?")
        counts[kind] += 1
        if kind not in known or kind == "entry":
            problems += 1
            print(f"line {number}: no schema for {kind}")
            continue
        for error in known[kind].iter_errors(entry):
            problems += 1
            place = "/".join(str(part) for part in error.absolute_path)
            print(f"line {number}: {kind}: {place}: {error.message}")
    print(f"checked {sum(counts.values())} entries of {len(counts)} kinds")
    return 1 if problems else 0 if counts else 2


if __name__ == "__main__":
    sys.exit(main())
