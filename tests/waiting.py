# SPDX-License-Identifier: MIT
"""Waiting for what a mount shows, by asking again until a bound."""
import pathlib
import select
import time

ASK_AGAIN_S = 0.02


def within(seconds, condition, what="it"):
    """Asks until condition() is true; fails once the bound has passed. The
    pause between questions spares the machine; nothing relies on it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not show within {seconds} s"
        pause(ASK_AGAIN_S)


def state(pid):
    """What proc(5) says a process is at: "S" waits, "Z" has ended."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(
        ")")[2].split()[0]


def pause(seconds):
    select.select([], [], [], seconds)
