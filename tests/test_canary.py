# SPDX-License-Identifier: MIT
"""What a sanitizer would find in the daemon does fail a test: canary.c has a
fault of each kind, at the end of its run."""
import os
import subprocess
import sys

import pytest

from failpoints import ROOT, SANITIZERS, build_with_failpoints

FAULTS = {"address": [("overflow", "heap-buffer-overflow"),
                      ("leak", "LeakSanitizer")],
          "undefined": [("undefined", "signed integer overflow")],
          "thread": [("race", "data race")]}
TEST = "test_mount.py::test_unmounting_ends_it_cleanly"

pytestmark = pytest.mark.skipif(SANITIZERS == "none",
                                reason="a build without sanitizers")


def run_test(fault):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         str(ROOT / "tests" / TEST)],
        env={**os.environ, "TWELVEFS_BUILD": str(build_with_failpoints()),
             "TWELVEFS_TEST_FAILPOINT": fault}, capture_output=True, text=True)


def test_no_finding_without_a_failpoint():
    result = run_test("")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("fault, finding", [
    pair for name in SANITIZERS.split(",") for pair in FAULTS.get(name, [])])
def test_a_finding_fails_the_test(fault, finding):
    result = run_test(fault)
    assert result.returncode == 1, result.stdout
    assert finding in result.stdout
