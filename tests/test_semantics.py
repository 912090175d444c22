"""The manual's promises and the tests that it names for them."""
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
MANUAL = HERE.parent / "fs/share/twelvefs.1"


def semantics():
    return MANUAL.read_text().split(".SH SEMANTICS")[1].split(".SH ")[0]


def test_each_of_eight_promises_names_tests():
    promises = re.split(r"^\.B \d\. ", semantics(), flags=re.M)[1:]
    assert len(promises) == 8
    for promise in promises:
        assert "::" in promise


def test_each_test_that_the_manual_names_is_there():
    names = re.findall(r"^(\S+)::(\S+)$", semantics(), flags=re.M)
    assert len(names) > 20
    for file, function in names:
        text = (HERE / file).read_text()
        assert re.search(rf"(def|void) {function}\(", text), \
            f"{file}::{function} is no test"
