#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Leaves out of a failing seed of test_reader_model.py what isn't needed for
the failure, and prints the steps that are.

    tests/shrink_reader_model.py SEED [QUIRK]

A failure counts as the same when its message begins with the same words up to
the first digit behind "): ".
"""
import contextlib
import io
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "standin")]
os.environ.setdefault("TWELVEFS_BUILD", str(HERE.parent / "build"))

import test_reader_model as model  # noqa: E402


def kind_of_failure(first, steps):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model.run_steps(first, steps)
    except AssertionError as failure:
        return re.sub(r"\d.*", "", str(failure).split("): ", 1)[1])
    return None


def shrink(items, fails):
    """Fewer items that still fail, by leaving out ever smaller pieces."""
    piece = max(len(items) // 2, 1)
    while True:
        at, shrunk = 0, False
        while at < len(items):
            fewer = items[:at] + items[at + piece:]
            if fails(fewer):
                items, shrunk = fewer, True
            else:
                at += piece
        if piece == 1 and not shrunk:
            return items
        piece = max(piece // 2, 1)


def main():
    quirks = [q for q in model.QUIRKS if q.name in sys.argv[2:]]
    dice = model.Dice(int(sys.argv[1]), quirks)
    first = dice.first()
    steps = dice.steps(model.STEPS)
    kind = kind_of_failure(first, steps)
    if not kind:
        print("it passes")
        return
    print(f"shrinking: {kind}", file=sys.stderr)
    steps = shrink(steps, lambda s: kind_of_failure(first, s) == kind)
    for step in steps:
        print(*step)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model.run_steps(first, steps)
    except AssertionError as failure:
        print(failure)


main()
