# SPDX-License-Identifier: MIT
"""A second build folder, BUILD-planted, with the faults of fs/base/plant.h
compiled in and the sanitizers of the first."""
import pathlib
import subprocess

import sanitizing
from mounting import BUILD

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZERS = sanitizing.sanitizers_of(BUILD)


def build_planted():
    build = BUILD.parent / (BUILD.name + "-planted")
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", "-Dc_args=-DTWELVEFS_PLANT",
                        f"-Db_sanitize={SANITIZERS}", str(build), str(ROOT)],
                       check=True, capture_output=True)
    subprocess.run(["ninja", "-C", str(build), "twelvefs",
                    "tests/standin/twelvefs-standin"], check=True,
                   capture_output=True)
    return build
