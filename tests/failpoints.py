# SPDX-License-Identifier: MIT
"""A second build folder, BUILD-failpoints, with those of fs/base/failpoint.h
compiled in and the sanitizers of the first."""
import pathlib
import subprocess

import sanitizing
from mounting import BUILD

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZERS = sanitizing.sanitizers_of(BUILD)


def build_with_failpoints():
    build = BUILD.parent / (BUILD.name + "-failpoints")
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", "-Dc_args=-DTWELVEFS_FAILPOINT",
                        f"-Db_sanitize={SANITIZERS}", str(build), str(ROOT)],
                       check=True, capture_output=True)
    subprocess.run(["ninja", "-C", str(build), "twelvefs",
                    "tests/standin/twelvefs-standin"], check=True,
                   capture_output=True)
    return build
