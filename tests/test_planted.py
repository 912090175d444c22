"""The model test (and one beside it, for what chance seldom brings about) can
fail: each planted fault is caught, and none is found where none is planted."""
import os
import subprocess
import sys

import pytest

from planting import ROOT, build_planted

HELD = "test_an_open_file_never_becomes_anothers"
FAULTS = ["dropped_notification", "skipped_page", "reused_row",
          "partial_commit", "part_as_whole"]


@pytest.fixture(scope="module")
def planted_build():
    return build_planted()


def run_model(build, fault):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
         str(ROOT / "tests/test_fresh.py") + "::" + HELD,
         str(ROOT / "tests/test_model.py")],
        env={**os.environ, "TWELVEFS_BUILD": str(build),
             "TWELVEFS_PLANTED": fault, "TWELVEFS_MODEL_SEED": "1 2",
             "TWELVEFS_MODEL_STEPS": "250"},
        capture_output=True, text=True)


def test_nothing_is_found_where_nothing_is_planted(planted_build):
    result = run_model(planted_build, "")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(planted_build, fault):
    result = run_model(planted_build, fault)
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout, result.stdout
