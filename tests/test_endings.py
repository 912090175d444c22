# SPDX-License-Identifier: MIT
"""Whatever a mount is doing, it can be ended, and so can whoever waits for it:
no daemon, reader or mount point is left that only a reboot would end."""
import contextlib
import errno
import os
import pathlib
import signal
import subprocess
import time

import pytest

from failpoints import SANITIZERS
from mounting import BINARY, PATIENCE_S, Mount, MountFailed, folders, pictures
from waiting import state, within

ASSETS = 1000
TIMEOUT_S = 4
PATIENT_S = 60  # a mount whose own deadline is not what ends anything
AT_ONCE_S = PATIENT_S / 3  # well before that deadline, on a slow machine too


class Stage:
    """A mount in the midst of something, with a reader that waits for it."""

    def __init__(self, server, timeout):
        self.server = server
        self.m = Mount(server, timeout=timeout, refresh=600, wait=False)
        self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.server.clear_faults()
        self.m.__exit__(*failure)
        if self.reader and self.reader.poll() is None:
            self.reader.kill()
            self.reader.wait()

    def read(self, *command):
        self.reader = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)

    def waits(self):
        """The reader is in the kernel, and can be signalled there."""
        within(PATIENCE_S, lambda: state(self.reader.pid) == "S")


def stall(server, **match):
    server.fault("stall", match={"count": -1, **match})


def enter_walk(s):
    stall(s.server, kind="list", nth=6)
    s.m.wait_ready()
    s.read("ls", str(s.m.path / "video"))
    s.server.wait("list", 6)


def enter_narrow(s):
    stall(s.server, kind="list", nth=6)
    s.m.wait_ready()
    stall(s.server, query_contains="filename=nothing")
    asked = s.server.stats()["requests"]["list"]
    s.read("ls", str(s.m.path / "filename=nothing"))
    within(PATIENCE_S, lambda: s.server.stats()["requests"]["list"] > asked)


def enter_poll(s):
    s.m.wait_ready()
    s.m.wait_complete()
    s.m.refresh()
    asked = s.server.stats()["requests"]["list"]
    stall(s.server, kind="list")
    s.read(str(BINARY), "refresh", str(s.m.path))
    s.server.wait("list", asked + 1)


def enter_picture(s):
    s.m.wait_ready()
    s.m.wait_complete()
    stall(s.server, kind="picture")
    s.read("cat", str(next(pictures(s.m))))
    s.server.wait("picture", 1)


ENTER = {"first walk": enter_walk, "narrow query": enter_narrow,
         "poll": enter_poll, "picture": enter_picture}


@pytest.fixture
def stage(standin):
    def enter(name, timeout=PATIENT_S):
        s = Stage(standin(assets=ASSETS), timeout)
        try:
            ENTER[name](s)
        except BaseException:
            s.m.stop()
            raise
        return s
    return enter


def whole(server, m):
    m.wait_complete()
    assert len(folders(m)) == ASSETS == server.count()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ENTER)
def test_a_signal_ends_the_daemon(stage, name, number):
    with stage(name) as s:
        s.m.process.send_signal(number)
        assert s.m.process.wait(timeout=AT_ONCE_S) == 0
        assert s.reader.wait(timeout=AT_ONCE_S) != 0
        assert not s.m.is_mounted()


@pytest.mark.parametrize("name", ENTER)
def test_a_killed_daemon_leaves_nobody_waiting(stage, name):
    with stage(name) as s:
        s.m.kill()
        assert s.reader.wait(timeout=AT_ONCE_S) != 0
        s.server.clear_faults()
        s.m.start()
        whole(s.server, s.m)


@pytest.mark.parametrize("name", ENTER)
def test_a_lazy_unmount_ends_once_the_last_reader_has(stage, name):
    with stage(name, timeout=TIMEOUT_S) as s:
        subprocess.run(["fusermount3", "-uz", str(s.m.path)], check=True)
        assert not s.m.is_mounted()
        assert s.reader.wait(timeout=PATIENCE_S) != 0
        assert s.m.process.wait(timeout=PATIENCE_S) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("name", ENTER)
def test_a_signal_ends_whoever_waits_and_nobody_else(stage, name, number):
    with stage(name) as s:
        s.waits()
        s.reader.send_signal(number)
        assert s.reader.wait(timeout=AT_ONCE_S) == -number
        s.server.clear_faults()
        whole(s.server, s.m)


@pytest.mark.parametrize("name", ENTER)
def test_a_host_that_falls_silent_ends_waits_in_time(stage, name):
    with stage(name, timeout=TIMEOUT_S) as s:
        s.server.suspend()
        try:
            start = time.monotonic()
            assert s.reader.wait(timeout=PATIENCE_S) != 0
            assert time.monotonic() - start < 2 * TIMEOUT_S
        finally:
            s.server.resume()
        s.server.clear_faults()
        within(PATIENCE_S, lambda: s.m.status()["complete"])
        whole(s.server, s.m)


# ---- before the mount is usable ----


def unready(standin, **options):
    server = standin(assets=ASSETS)
    stall(server, kind="list")
    m = Mount(server, wait=False, **options)
    server.wait("list", 1)
    return server, m


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_start(standin, number):
    server, m = unready(standin, timeout=PATIENT_S)
    with m:
        m.process.send_signal(number)
        assert m.process.wait(timeout=AT_ONCE_S) == 8
        assert m.log().splitlines()[-1] == (
            f"twelvefs: stopped by a signal before {m.path} was usable")
        assert not m.is_mounted()
        server.clear_faults()
        m.start()
        whole(server, m)


def test_a_start_that_was_killed_is_begun_anew(standin):
    server, m = unready(standin, timeout=PATIENT_S)
    with m:
        m.kill()
        assert not m.is_mounted()
        server.clear_faults()
        m.start()
        whole(server, m)


def test_a_host_silent_from_the_start_is_one_line(standin):
    server, m = unready(standin, timeout=1)
    with m:
        server.suspend()
        try:
            with pytest.raises(MountFailed) as failure:
                m.wait_ready()
        finally:
            server.resume()
        assert failure.value.status == 5
        assert os.strerror(errno.ETIMEDOUT) in failure.value.stderr


def test_a_signal_ends_the_wait_for_anothers_cache(standin):
    server = standin(assets=ASSETS)
    with Mount(server) as first:
        with Mount(server, cache_dir=first.options["cache_dir"],
                   wait=False) as second:
            within(PATIENCE_S, lambda: has_open(second, "catalogue.lock"))
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(timeout=PATIENCE_S) == 8
            assert second.log().splitlines()[-1] == (
                f"twelvefs: stopped by a signal before {second.path} was "
                "usable")
        whole(server, first)


def has_open(m, name):
    entries = pathlib.Path(f"/proc/{m.process.pid}/fd").iterdir()
    return any(os.path.realpath(e).endswith(name) for e in entries)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_takes_back_a_mount_in_the_background(standin, tmp_path, number):
    server = standin(assets=ASSETS)
    stall(server, kind="list")
    point = tmp_path / "mnt"
    point.mkdir()
    daemon = subprocess.Popen(
        [BINARY, "-o", f"cache_dir={tmp_path}/c,timeout={PATIENT_S}", point],
        env={**os.environ, **server.env()}, stderr=subprocess.PIPE, text=True)
    server.wait("list", 1)
    daemon.send_signal(number)
    _, said = daemon.communicate(timeout=AT_ONCE_S)
    assert daemon.returncode == 8
    assert said == f"twelvefs: stopped by a signal before {point} was usable\n"
    assert not os.path.ismount(point)


def test_nobody_is_left_a_mount_that_he_gave_up_waiting_for(standin, tmp_path):
    """The command that would have said that it is usable was killed."""
    server = standin(assets=ASSETS)
    stall(server, kind="list")
    point, cache = tmp_path / "mnt", tmp_path / "c"
    point.mkdir()
    daemon = subprocess.Popen(
        [BINARY, "-o", f"cache_dir={cache},timeout={PATIENT_S}", point],
        env={**os.environ, **server.env()}, stderr=subprocess.DEVNULL)
    server.wait("list", 1)
    daemon.kill()
    daemon.wait()
    server.clear_faults()
    within(PATIENCE_S, lambda: can_mount(server, point, cache))
    subprocess.run(["fusermount3", "-u", point], check=True)


def can_mount(server, point, cache):
    """Only once the one before has given the cache and the point back."""
    return not os.path.ismount(point) and subprocess.run(
        [BINARY, "-o", f"cache_dir={cache}", point], check=False,
        env={**os.environ, **server.env()}, capture_output=True).returncode == 0


def children(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def has_ended(pid):
    try:
        return state(pid) == "Z"  # whoever inherited it has yet to look
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_who_tells_the_kernel_ends_with_the_daemon(standin):
    """Where a rmdir can wait, two processes of their own (notifier.h), which no
    signal but SIGKILL reaches; without them the daemon tells it by itself."""
    server = standin(assets=ASSETS)
    with Mount(server, refresh=600) as m:
        assert not children(m.process.pid)
    for end in ("unmount", "kill", "killed first"):
        with Mount(server, refresh=600, rw=True, delete="safe") as m:
            m.wait_complete()
            (watcher,) = children(m.process.pid)
            (writer,) = within(PATIENCE_S, lambda: children(watcher))
            os.kill(watcher, signal.SIGTERM)
            os.kill(writer, signal.SIGINT)
            if end == "killed first":
                os.kill(writer, signal.SIGKILL)
                within(PATIENCE_S, lambda: not children(m.process.pid))
            name = m.path / "video" / f"{end}.mp4"
            asset = server.create(fields={"filename": name.name,
                                          "file_type": "video/mp4"})[0]
            m.refresh()
            assert name.exists()
            server.delete(asset)
            m.refresh()
            assert not name.exists()
            if end == "unmount":
                assert m.unmount() == 0
            elif end == "kill":
                m.kill()
            for pid in (watcher, writer):
                within(PATIENCE_S, lambda: has_ended(pid))


def memory_of(pid):
    """What a process can write, and its environment, a mapping at a time."""
    yield pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode = line.split()[:2]
            begin, end = (int(n, 16) for n in place.split("-"))
            if mode.startswith("rw"):
                memory.seek(begin)
                with contextlib.suppress(OSError):  # the vdso's, a device's
                    yield memory.read(end - begin)


def knows(pid, text):
    return any(text in mapping for mapping in memory_of(pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="reads another's memory")
@pytest.mark.skipif(SANITIZERS != "none", reason="theirs is terabytes")
def test_who_tells_the_kernel_does_not_know_the_key(standin):
    server = standin(assets=3)
    with Mount(server, refresh=600, rw=True, delete="safe") as m:
        m.wait_complete()
        (watcher,) = children(m.process.pid)
        (writer,) = within(PATIENCE_S, lambda: children(watcher))
        key = server.key.encode()
        assert knows(m.process.pid, key)
        for pid in (watcher, writer):
            assert not knows(pid, key)


@pytest.mark.parametrize("which", ["watcher", "writer"])
def test_who_tells_the_kernel_may_be_stopped(standin, which):
    """It is continued; neither a command nor the end waits for anybody."""
    server = standin(assets=3)
    with Mount(server, refresh=600, rw=True, delete="safe") as m:
        m.wait_complete()
        (watcher,) = children(m.process.pid)
        (writer,) = within(PATIENCE_S, lambda: children(watcher))
        stopped = watcher if which == "watcher" else writer
        os.listdir(m.path / "video")
        os.kill(stopped, signal.SIGSTOP)
        within(PATIENCE_S, lambda: state(stopped) == "T")
        server.create(fields={"filename": "new.mp4", "file_type": "video/mp4"})
        assert subprocess.run([BINARY, "refresh", m.path], timeout=PATIENCE_S,
                              stdout=subprocess.DEVNULL).returncode == 0
        assert (m.path / "video" / "new.mp4").exists()
        os.kill(stopped, signal.SIGSTOP)
        within(PATIENCE_S, lambda: state(stopped) == "T")
        assert m.unmount() == 0
        for pid in (watcher, writer):
            within(PATIENCE_S, lambda: has_ended(pid))
