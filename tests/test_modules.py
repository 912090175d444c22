# SPDX-License-Identifier: MIT
"""Every module of fs/ has a unit test of its name, or a line in
unit/README.md that says which tests meet it instead; every unit test is
built."""
import fnmatch
import pathlib
import re

TESTS = pathlib.Path(__file__).resolve().parent
UNIT = TESTS / "unit"
FS = TESTS.parent / "fs"

MODULES = sorted(p.relative_to(FS) for p in FS.rglob("*.c"))
PROGRAMS = {p.stem.removeprefix("test_") for p in UNIT.glob("test_*.c")}
# pattern: where its modules are tested
ELSEWHERE = dict(re.findall(r"^\| `([\w/*]+\.c)` \| (.+) \|$",
                            (UNIT / "README.md").read_text(), re.M))


def has_program(module):
    return bool({module.stem, f"{module.parent.name}_{module.stem}"} & PROGRAMS)


def is_listed(module):
    return any(fnmatch.fnmatchcase(str(module), p) for p in ELSEWHERE)


def test_every_module_has_a_unit_test_or_says_where_it_is_tested():
    assert MODULES and ELSEWHERE
    assert [str(m) for m in MODULES
            if not has_program(m) and not is_listed(m)] == []


def test_the_list_holds_only_modules_without_one():
    assert [p for p in ELSEWHERE if not any(
        fnmatch.fnmatchcase(str(m), p) and not has_program(m)
        for m in MODULES)] == []


def test_where_a_module_is_tested_instead_there_are_tests():
    for pattern, where in ELSEWHERE.items():
        named = re.findall(r"`(test_\w+\.(?:c|py))`", where)
        assert named, f"{pattern} names no test"
        assert [n for n in named if not (TESTS / n).exists() and
                not (UNIT / n).exists()] == []


def test_every_program_is_built():
    text = (UNIT / "meson.build").read_text()
    assert sorted(PROGRAMS - set(re.findall(r"'(\w+)'", text))) == []
