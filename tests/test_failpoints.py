# SPDX-License-Identifier: MIT
"""The tests can fail: the fault at each failpoint (fs/base/failpoint.h) is caught
by those that are there for it, and none is found without one."""
import os
import subprocess
import sys

import pytest

from failpoints import ROOT, build_with_failpoints

# The model, and one beside it for what chance seldom brings about.
MODEL = ["test_fresh.py::test_an_open_file_never_becomes_anothers",
         "test_model.py"]
READERS = ["test_reader_model.py::test_every_reader_sees_all_that_stood"]
FAULTS = {
    "dropped_notification": MODEL,
    "skipped_page": MODEL,
    "reused_row": MODEL,
    "partial_commit": MODEL,
    "part_as_whole": READERS,
    "older_selection": READERS,
    "row_skipped": READERS,
    "content_mixture": [
        "test_media.py::test_nobody_reads_half_of_one_picture_and_half_of_"
        "another", "test_media.py::test_bytes_that_changed_under_their_url_"
        "are_no_mixture"],
    "park_error_lost": [
        "test_faults.py::test_a_fault_in_a_narrow_query_has_its_errno_and_log_"
        "line[refused key]"],
    "park_interrupt_lost": [
        "test_faults.py::test_a_waiting_reader_ends_at_a_signal"],
}


@pytest.fixture(scope="module")
def failpoint_build():
    return build_with_failpoints()


def run_tests(build, fault, tests):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
         *(str(ROOT / "tests" / test) for test in tests)],
        env={**os.environ, "TWELVEFS_BUILD": str(build),
             "TWELVEFS_TEST_FAILPOINT": fault, "TWELVEFS_MODEL_SEED": "1 2",
             "TWELVEFS_MODEL_STEPS": "250", "TWELVEFS_READER_SEED": "1 3",
             "TWELVEFS_READER_STEPS": "150"},
        capture_output=True, text=True)


def test_nothing_is_found_without_a_failpoint(failpoint_build):
    tests = sorted({test for tests in FAULTS.values() for test in tests})
    result = run_tests(failpoint_build, "", tests)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_a_failpoint_is_caught(failpoint_build, fault):
    result = run_tests(failpoint_build, fault, FAULTS[fault])
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout, result.stdout
