# SPDX-License-Identifier: MIT
"""The README.md of fs/ and of each module folder is a map of its files: of all,
and of no others."""
import pathlib
import re

import pytest

FS = pathlib.Path(__file__).resolve().parent.parent / "fs"
FOLDERS = [".", *sorted(path.parent.name for path in FS.glob("*/README.md"))]


def test_each_folder_of_modules_has_a_map():
    assert FOLDERS[1:] == sorted({p.parent.name for p in FS.glob("*/*.c")})


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_map_shows_what_is_there(folder):
    text = (FS / folder / "README.md").read_text()
    named = set(re.findall(r"`(\w+\.[ch])`", "\n".join(
        line.split("|")[1] for line in text.splitlines() if line[:1] == "|")))
    assert named == {path.name for path in (FS / folder).glob("*.[ch]")}
