# SPDX-License-Identifier: MIT
"""Whatever it is started with, closed descriptors, low limits, a cache that
others could change or that another daemon holds: it works, or says why."""
import fcntl
import itertools
import os
import pathlib
import signal
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S, folders
from waiting import within

ASSETS = 120
REFUSED = 7
CLOSED = [c for n in range(1, 4) for c in itertools.combinations((0, 1, 2), n)]


def run(server, *arguments, **more):
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        env={**os.environ, **server.env()}, capture_output=True, text=True,
        timeout=PATIENCE_S, **more)


def one_line(result, *words):
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert str(word) in lines[0]


@pytest.fixture
def point(tmp_path):
    path = tmp_path / "mnt"
    path.mkdir()
    yield path
    subprocess.run(["fusermount3", "-uzq", str(path)], check=False)


# ---- closed descriptors ----


def shell(closed):
    return " ".join(f"{fd}<&-" if fd == 0 else f"{fd}>&-" for fd in closed)


def is_locked(file):
    with open(file, "r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def lock_of(cache):
    return next(pathlib.Path(cache).glob("*/catalogue.lock"))


def assert_alone(server, cache, other):
    """The lock holds, nothing was written into it, and a second daemon is
    kept out."""
    lock = lock_of(cache)
    assert is_locked(lock)
    assert b"twelvefs" not in lock.read_bytes()
    result = run(server, "-o", f"cache_dir={cache}", other)
    assert result.returncode == REFUSED


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_standard_streams_in_the_foreground(standin, closed, point):
    server = standin(assets=ASSETS)
    with Mount(server, refresh=600, within=[
            "sh", "-c", f'exec "$@" {shell(closed)}', "sh"]) as m:
        m.wait_complete()
        for fd in closed:
            assert os.readlink(f"/proc/{m.process.pid}/fd/{fd}") == "/dev/null"
        assert len(folders(m)) == ASSETS
        server.fault("status", status=400, match={"kind": "list", "count": 1})
        with pytest.raises(OSError):  # and a line in the log
            m.refresh()
        assert_alone(server, m.options["cache_dir"], point)
        assert len(folders(m)) == ASSETS


@pytest.mark.parametrize("closed", CLOSED, ids=str)
def test_closed_standard_streams_in_the_background(standin, closed, point,
                                                   tmp_path):
    server = standin(assets=ASSETS)
    cache, other = tmp_path / "c", tmp_path / "other"
    other.mkdir()
    subprocess.run(
        ["sh", "-c", f'exec "$@" {shell(closed)}', "sh", str(BINARY), "-o",
         f"cache_dir={cache}", str(point)], check=True, timeout=PATIENCE_S,
        env={**os.environ, **server.env()})
    assert "_id" in next(point.glob("video/*/metadata.json")).read_text()
    assert_alone(server, cache, other)
    subprocess.run(["fusermount3", "-u", point], check=True)
    within(PATIENCE_S, lambda: not is_locked(lock_of(cache)))


# ---- whose the cache is ----


def other_users(path):
    os.chown(path, 65534, 65534)


def writable(mode):
    return lambda path: path.chmod(mode)


UNSAFE = {"another's": other_users, "all may write": writable(0o777),
          "a group may write": writable(0o770)}


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize("how", UNSAFE)
@pytest.mark.parametrize("place", ["a", "a/b", "a/b/c"])
def test_a_cache_that_others_could_change_is_refused(standin, tmp_path, point,
                                                     how, place):
    server = standin(assets=ASSETS)
    cache = tmp_path / "a/b/c"
    cache.mkdir(parents=True)
    if how == "a group may write":
        os.chown(tmp_path / place, -1, 12345)
    UNSAFE[how](tmp_path / place)
    result = run(server, "-o", f"cache_dir={cache}", point)
    assert result.returncode == REFUSED
    one_line(result, tmp_path / place, "cache_dir=")
    assert os.listdir(cache) == []
    assert not os.path.ismount(point)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
@pytest.mark.parametrize("owner, status", [(0, 0), (65534, REFUSED)])
@pytest.mark.parametrize("target", ["real", "{}/real", "../{name}/real"])
def test_a_cache_behind_a_symlink(standin, tmp_path, point, owner, status,
                                  target):
    server = standin(assets=ASSETS)
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(target.format(tmp_path, name=tmp_path.name))
    os.chown(link, owner, owner, follow_symlinks=False)
    result = run(server, "-o", f"cache_dir={link}/cache", point)
    assert result.returncode == status, result.stderr
    if status:
        one_line(result, link, "symlink")
        assert os.listdir(tmp_path / "real") == []
    else:
        assert os.listdir(tmp_path / "real") == ["cache"]


def test_a_sticky_directory_is_safe(standin, tmp_path, point):
    server = standin(assets=ASSETS)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    result = run(server, "-o", f"cache_dir={shared}/cache", point)
    assert result.returncode == 0, result.stderr


# ---- another daemon ----


def test_who_holds_the_cache_is_named(standin, point):
    server = standin(assets=ASSETS)
    with Mount(server) as m:
        result = run(server, "-o", f"cache_dir={m.options['cache_dir']}", point)
        assert result.returncode == REFUSED
        one_line(result, f"another twelvefs (pid {m.process.pid})",
                 f"mounted on {m.path};", "in its memory")


@pytest.mark.parametrize("which", ["ln -s", "mount --bind", "cache_dir="])
def test_what_does_instead_of_a_second_mount(standin, tmp_path, which):
    """The commands of the line do what it says."""
    server = standin(assets=ASSETS)
    place = tmp_path / "it's here"
    place.mkdir()
    with Mount(server) as m:
        names = sorted(m.wait_complete()[0])
        asked = ["-o", f"cache_dir={m.options['cache_dir']}"]
        result = run(server, *asked, place)
        assert result.returncode == REFUSED
        command = next(c for c in result.stderr.split("`")[1::2] if which in c)
        if which == "cache_dir=":
            result = run(server, *command.split(), place)
            assert result.returncode == 0, result.stderr
        elif which == "mount --bind" and os.geteuid() != 0:
            pytest.skip("only root binds")
        else:
            subprocess.run(["sh", "-ec", command], check=True)
        try:
            assert sorted(os.listdir(place / "video")) == names
            alike = os.stat(place).st_dev == os.stat(m.path).st_dev
            assert alike == (which != "cache_dir=")
        finally:
            if which != "ln -s":
                subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def elsewhere():
    """Another mount namespace, with a copy of every mount there is now."""
    holders = []

    def start():
        command = ["unshare", "--mount", "--propagation", "private", "sleep",
                   "1000"]
        if os.geteuid() != 0:
            command.insert(1, "--map-root-user")
        holders.append(subprocess.Popen(command))
        within(PATIENCE_S, lambda: pathlib.Path(
            f"/proc/{holders[-1].pid}/comm").read_text() == "sleep\n")
        return holders[-1].pid

    yield start
    for process in holders:
        process.kill()
        process.wait()


def test_a_copy_in_another_namespace_is_named(standin, point, elsewhere):
    """It keeps the daemon alive though nothing is mounted here any more."""
    server = standin(assets=ASSETS)
    with Mount(server) as m:
        m.wait_complete()
        holder = elsewhere()
        subprocess.run(["fusermount3", "-u", str(m.path)], check=True)
        assert not m.is_mounted()
        result = run(server, "-o", f"cache_dir={m.options['cache_dir']}", point)
        assert result.returncode == REFUSED
        one_line(result, f"another twelvefs (pid {m.process.pid})",
                 f"its mount on {m.path} is gone here",
                 f'pid {holder} ("sleep")', f"kill {m.process.pid}")
        assert m.process.poll() is None
        there = f"/proc/{holder}/root{m.path}"
        assert len(os.listdir(f"{there}/video")) > 0
        m.process.send_signal(signal.SIGTERM)
        assert m.process.wait(timeout=PATIENCE_S) == 0
        result = run(server, "-o", f"cache_dir={m.options['cache_dir']}", point)
        assert result.returncode == 0, result.stderr


def test_the_end_of_the_copy_ends_the_daemon(standin, elsewhere):
    with Mount(standin(assets=ASSETS)) as m:
        holder = elsewhere()
        subprocess.run(["fusermount3", "-u", str(m.path)], check=True)
        os.kill(holder, signal.SIGKILL)
        assert m.process.wait(timeout=PATIENCE_S) == 0


def test_a_mount_point_with_a_space_is_named_too(standin, tmp_path, point):
    server = standin(assets=ASSETS)
    spaced = tmp_path / "my videos\\here"
    spaced.mkdir()
    result = run(server, "-o", f"cache_dir={tmp_path}/c", spaced)
    assert result.returncode == 0, result.stderr
    try:
        result = run(server, "-o", f"cache_dir={tmp_path}/c", point)
        assert result.returncode == REFUSED
        one_line(result, f"mounted on {spaced};", f"ln -s '{spaced}' {point}")
    finally:
        subprocess.run(["fusermount3", "-u", spaced], check=True)
