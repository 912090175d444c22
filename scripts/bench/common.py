# SPDX-License-Identifier: MIT
"""What the benchmarks share: a stand-in with an account, mounted;
medians."""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TWELVEFS_BUILD", ROOT / "build"))
os.environ["TWELVEFS_BUILD"] = str(BUILD)
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/standin")]

from mounting import Mount, folders, pictures  # noqa: E402,F401
from standin import Standin  # noqa: E402,F401


def drop_caches():
    """Dentries, inodes and pages; needs root."""
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")


def seconds(command, cwd):
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, shell=True, check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def median(values):
    return statistics.median(values)


def disk_bytes(pid):
    """Fetched from the disk; written to it, or rather pages made dirty."""
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().split("\n")
    counts = dict(line.split(": ") for line in lines if line)
    return int(counts["read_bytes"]), int(counts["write_bytes"])


def cpu_us(process):
    """Of a directory of /proc, a process' or a thread's: its own time and the
    kernel's for it."""
    fields = (pathlib.Path("/proc") / str(process) / "stat").read_text()
    fields = fields.rpartition(")")[2].split()
    tick_us = 1_000_000 / os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * tick_us, int(fields[12]) * tick_us


def resident_bytes(pid):
    """Its own memory, and pages of files that it maps: the program, its
    libraries."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", status).group(1)) << 10
                 for name in ("RssAnon", "RssFile"))
