# SPDX-License-Identifier: MIT
"""The manual's promises and the tests that fs/DESIGN.md names for them; and the
version, which is the same wherever it is written."""
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
MANUAL = (HERE.parent / "fs/share/twelvefs.1").read_text()
DESIGN = (HERE.parent / "fs/DESIGN.md").read_text()
HEADING = "## Which tests execute which promise\n"


def promises():
    """The titles in the manual."""
    semantics = MANUAL.split("\n.SH SEMANTICS\n")[1].split("\n.SH ")[0]
    return re.findall(r"^\.B (\d\. .+)$", semantics, flags=re.M)


def table_of_promises():
    """{title: [(file, function)]} of the table."""
    table = DESIGN.split(HEADING)[1].split("\n## ")[0]
    _, *parts = re.split(r"^\*\*(\d\. .+)\*\*$", table, flags=re.M)
    return {title: re.findall(r"^- `(\S+)::(\S+)`$", text, flags=re.M)
            for title, text in zip(parts[::2], parts[1::2])}


def test_each_of_nine_promises_names_tests():
    assert len(promises()) == 9
    assert list(table_of_promises()) == promises()
    assert all(table_of_promises().values())


def test_each_test_that_is_named_is_there():
    names = [name for names in table_of_promises().values() for name in names]
    assert len(names) == DESIGN.split(HEADING)[1].count("::") > 20
    for file, function in names:
        text = (HERE / file).read_text()
        assert re.search(rf"(def|void) {function}\(", text), \
            f"{file}::{function} is no test"


def test_one_version_everywhere():
    build = (HERE.parent / "meson.build").read_text()
    version = re.search(r"^  version: '(.+)',$", build, flags=re.M).group(1)
    title = re.search(r'^\.TH TWELVEFS 1 "\S+" "twelvefs (.+?)"', MANUAL,
                      flags=re.M)
    assert title.group(1) == version
    news = (HERE.parent / "fs/share/NEWS").read_text()
    assert re.search(r"^twelvefs (\S+)", news, flags=re.M).group(1) == version
