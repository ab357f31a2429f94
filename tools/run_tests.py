"""Run the tests: the ordinary ones five files at a time, then those marked `heavy`; close with the sum of both.

Arguments go to pytest: ``tools/run_tests.py tests/telemetry -k nan``. Exits with 0 when everything that ran passed and
something ran.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

# A file's tests stay in one process, so that a server started for the file is started once. Five processes, as one or
# another waits for a server most of the time.
ORDINARY = ("-n", "5", "--dist", "loadfile", "-m", "not heavy and not soak", "--durations", "10")
# These wait more than they compute: three at a time leave each enough. Their groups say which one after the other.
HEAVY = ("-n", "3", "--dist", "loadgroup", "-m", "heavy and not soak", "--durations", "10")


def run(arguments: tuple[str, ...], report: Path) -> tuple[int, Counter[str]]:
    """pytest's exit code, and how many tests passed, failed and were skipped."""
    command = [sys.executable, "-m", "pytest", *arguments, f"--junitxml={report}"]
    code = subprocess.run(command, check=False).returncode
    counts: Counter[str] = Counter()
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
            skipped = int(suite.attrib["skipped"])
            passed = int(suite.attrib["tests"]) - failed - skipped
            counts.update(passed=passed, failed=failed, skipped=skipped)
    return code, counts


def main(arguments: list[str]) -> int:
    """Both runs, whatever the first one's outcome."""
    total: Counter[str] = Counter()
    codes: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, marked in (("ordinary", ORDINARY), ("heavy", HEAVY)):
            print(f"--- {name} tests ---", flush=True)
            code, counts = run((*marked, *arguments), Path(folder) / f"{name}.xml")
            total += counts
            codes.append(code)
    print(f"total: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    nothing = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return next((code for code in codes if code not in (0, nothing)), nothing if set(codes) == {nothing} else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
