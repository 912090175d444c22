# SPDX-License-Identifier: MIT
"""A second build folder, BUILD-failpoints, with those of fs/base/failpoint.h
compiled in, the sanitizers of the first, and canary.c for these to find."""
import fcntl
import os
import pathlib
import subprocess

import sanitizing
from mounting import BUILD

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZERS = sanitizing.sanitizers_of(BUILD)


def build_with_failpoints():
    """One at a time: tests may run side by side."""
    with open(BUILD / "failpoints.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_locked()


def build_locked():
    build = BUILD.parent / (BUILD.name + "-failpoints")
    canary = build / "canary.o"
    if not (build / "build.ninja").exists():
        build.mkdir(exist_ok=True)
        sanitize = [] if SANITIZERS == "none" else [f"-fsanitize={SANITIZERS}"]
        subprocess.run([*os.environ.get("CC", "cc").split(), "-c", "-fPIC",
                        *sanitize, "-o", str(canary),
                        str(ROOT / "tests/canary.c")], check=True)
        # meson tries the compiler without b_sanitize
        link = repr([str(canary), *sanitize])
        subprocess.run(["meson", "setup", "-Dc_args=-DTWELVEFS_FAILPOINT",
                        f"-Dc_link_args={link}",
                        f"-Db_sanitize={SANITIZERS}", str(build), str(ROOT)],
                       check=True, capture_output=True)
    subprocess.run(["ninja", "-C", str(build), "twelvefs",
                    "tests/standin/twelvefs-standin"], check=True,
                   capture_output=True)
    return build
