# SPDX-License-Identifier: MIT
"""The fixtures of mount tests (see README.md), and which suites are run."""
import pathlib
import signal
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "standin")]

import sanitizing  # noqa: E402
from mounting import Mount  # noqa: E402
from standin import Standin  # noqa: E402

# Ignored where tests run in the background, and then by all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also the stand-in's "
                     "own tests, and the official client's against it")


def pytest_ignore_collect(collection_path, config):
    """The stand-in's own tests are for who changes it, and for CI."""
    own = HERE / "standin"
    if own not in (collection_path, *collection_path.parents):
        return None
    asked = any(pathlib.Path(arg.partition("::")[0]).resolve().is_relative_to(
        own) for arg in config.args)
    return None if asked or config.getoption("--all") else True


@pytest.fixture(autouse=True)
def clean():
    """Set up before all others and so the last to look."""
    yield
    sanitizing.check()


@pytest.fixture
def standin():
    """Starts stand-ins: standin(assets=100, account="hostile", …)."""
    running = []

    def start(**options):
        running.append(Standin(**options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def mount():
    """Mounts stand-ins: mount(server, refresh=2, …)."""
    mounts = []

    def start(server, **options):
        mounts.append(Mount(server, **options))
        return mounts[-1]

    yield start
    failure = None
    for one in mounts:
        try:
            one.stop()
        except Exception as error:  # the others must go too
            failure = error
    if failure:
        raise failure
