# SPDX-License-Identifier: MIT
"""What sanitizers find in any program that a test starts, as files of one
directory: whoever runs in the background, or was started by the way, has no
other voice.

In a build folder set up with -Db_sanitize=… a finding fails the test in which
it was made (conftest.py), and Mount.stop. UBSan beside ASan knows no files: it
ends the program, and Mount.stop looks through its log. test_canary.py shows
that all this works.
"""
import atexit
import json
import os
import pathlib
import shutil
import tempfile

DIRECTORY = pathlib.Path(tempfile.mkdtemp(prefix="twelvefs-findings-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)

for name, more in (("ASAN", "detect_stack_use_after_return=1"),
                   ("LSAN", ""), ("UBSAN", "print_stacktrace=1:halt_on_error=1"),
                   ("TSAN", "second_deadlock_stack=1")):
    name += "_OPTIONS"
    # those that count come last
    os.environ[name] = ":".join(filter(None, (
        more, os.environ.get(name), f"log_path={DIRECTORY}/finding")))


def sanitizers_of(build):
    """What a build folder was set up with: "none", "address,undefined"."""
    options = json.loads(
        (build / "meson-info/intro-buildoptions.json").read_text())
    value = next(o["value"] for o in options if o["name"] == "b_sanitize")
    if isinstance(value, list):  # as meson has it since 1.8
        value = ",".join(value)
    return value or "none"


def check(log=""):
    """Fails with what was found since the last call, or stands in the log."""
    found = log if "runtime error:" in log else ""
    for path in sorted(DIRECTORY.iterdir()):
        found += path.read_text(errors="replace")
        path.unlink()
    assert not found, f"a sanitizer found:\n{found[:20000]}"
