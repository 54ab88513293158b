#!/usr/bin/python3
"""count_tests.py JUNIT…: the one line that ends ./test, from ctest's own report; exit 1 when a test failed.

A test that says a package is missing exits 77 and is skipped; with CI=true a skip is a failure, because there nothing
may go untested unseen. A program that could not be started is a failure everywhere, although ctest calls it "not run"."""
import os
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    if case.get("status") == "run":
        return "passed"
    skipped = case.find("skipped")
    if skipped is not None and "SKIP_RETURN_CODE" in skipped.get("message", ""):
        return "failed" if os.environ.get("CI") == "true" else "skipped"
    return "failed"


def count(reports):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for report in reports:
        try:
            cases = list(xml.parse(report).getroot().iter("testcase"))
        except (OSError, xml.ParseError) as wrong:
            print(f"no report of the tests: {wrong}", file=sys.stderr)
            cases = []
        if not cases:
            counts["failed"] += 1
        for case in cases:
            counts[outcome(case)] += 1
    return counts


def main():
    counts = count(sys.argv[1:])
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    if counts["skipped"]:
        line += f", {counts['skipped']} skipped"
    print(line)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
