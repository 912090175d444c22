# SPDX-License-Identifier: MIT
"""Each fault, at each stage: an error or a retry within the deadline, never
a partial listing as a whole one, the daemon alive, the account whole once
the fault is gone."""
import errno
import os
import re
import signal
import subprocess
import time

import pytest

from mounting import PATIENCE_S, Mount, MountFailed, folders, pictures
from waiting import state, within

ASSETS = 400
TIMEOUT_S = 4

TRANSIENT = {
    "status 500": dict(kind="status", status=500),
    "status 503": dict(kind="status", status=503),
    "status 408": dict(kind="status", status=408),
    "429 in seconds": dict(kind="status", status=429,
                           headers={"Retry-After": "1"}),
    "reset": dict(kind="reset"),
    "truncate": dict(kind="truncate"),
    "garbage": dict(kind="garbage"),
    "captive portal": dict(kind="html"),
    "wrong types": dict(kind="wrong_types"),
    "half a JSON": dict(kind="partial_json"),
    "empty": dict(kind="empty"),
    "redirect": dict(kind="redirect", location="$MEDIA/assets/elsewhere"),
}
LASTING = {
    **TRANSIENT,
    "stall": dict(kind="stall"),
    "stall in the body": dict(kind="stall_body"),
    "endless body": dict(kind="endless"),
    "gzip bomb": dict(kind="gzip_bomb"),
}


def with_fault(server, fault, **match):
    fault = dict(fault)
    return server.fault(fault.pop("kind"), match={"origin": "api", **match},
                        **fault)


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_passing_fault_at_mount_is_retried(standin, name):
    server = standin(assets=ASSETS)
    with_fault(server, TRANSIENT[name], count=1)
    with Mount(server, timeout=TIMEOUT_S) as m:
        m.wait_complete()
        assert len(folders(m)) == ASSETS


@pytest.mark.parametrize("name", LASTING)
def test_a_lasting_fault_at_mount_is_one_line_and_no_mount(standin, name):
    server = standin(assets=ASSETS)
    with_fault(server, LASTING[name], count=-1)
    start = time.monotonic()
    with pytest.raises(MountFailed) as failure:
        Mount(server, timeout=1)
    assert time.monotonic() - start < 1 + 5
    assert failure.value.status == 5
    assert failure.value.stderr.splitlines()[-1].startswith("twelvefs: ")


@pytest.mark.parametrize("name", TRANSIENT)
def test_passing_faults_in_the_first_walk_lose_nothing(standin, name):
    server = standin(assets=3000)
    with_fault(server, TRANSIENT[name], probability=0.15, seed=3, count=15)
    with Mount(server, timeout=10, rpm=100000) as m:
        m.wait_complete()
        assert len(folders(m)) == 3000


CAUSES = {
    "refused key": (errno.EACCES, '401 "api_key_invalid"', dict(
        kind="status", status=401,
        body='{"code":"api_key_invalid","message":"no"}')),
    "limit": (errno.EAGAIN, "limits requests: HTTP 429", dict(
        kind="status", status=429, headers={"Retry-After": "4"})),
    "server error": (errno.EIO, "HTTP 503", dict(kind="status", status=503)),
    "captive portal": (errno.EIO, "not the API's JSON", dict(kind="html")),
    "garbage": (errno.EIO, "not the API's JSON", dict(kind="garbage")),
    "half a JSON": (errno.EIO, "not the API's JSON",
                    dict(kind="partial_json")),
    "redirect": (errno.EIO, "HTTP 302", dict(
        kind="redirect", location="$MEDIA/elsewhere")),
    "endless body": (errno.EIO, "too large", dict(kind="endless")),
    "gzip bomb": (errno.EIO, "too large", dict(kind="gzip_bomb")),
    "reset": (errno.EHOSTUNREACH, "Connection reset", dict(kind="reset")),
    "truncate": (errno.EIO, "transfer closed|bytes missing",  # in newer curl
                 dict(kind="truncate")),
    "stall": (errno.ETIMEDOUT, "timed out", dict(kind="stall")),
    "stall in the body": (errno.ETIMEDOUT, "timed out",
                          dict(kind="stall_body")),
}


@pytest.fixture
def walking(standin, mount):
    """A mount whose first walk doesn't come to its end, and a fault in every
    narrow query."""
    def start(fault):
        server = standin(assets=3000)
        if fault:
            with_fault(server, fault, query_contains="filename=", count=-1)
        server.fault("stall", match={"kind": "list", "nth": 6, "count": -1})
        return server, mount(server, timeout=2, refresh=600)
    return start


@pytest.mark.parametrize("name", CAUSES)
def test_a_fault_in_a_narrow_query_has_its_errno_and_log_line(walking, name):
    expected, words, fault = CAUSES[name]
    server, m = walking(fault)
    start = time.monotonic()
    with pytest.raises(OSError) as failure:
        os.listdir(m.path / "filename=keynote")
    assert time.monotonic() - start < 2 + 5
    # A deadline is the reader's as well as the request's, which logs: on a busy
    # machine the reader's may come first.
    assert failure.value.errno in (expected, errno.ETIMEDOUT)
    within(PATIENCE_S, lambda: re.search(words, m.log()))
    # One line until it answers again: then the walk's page may fail as well.
    log = [line for line in m.log().splitlines() if "the API" in line]
    fails = [bool(re.search(words, line)) for line in log]
    assert (True, True) not in zip(fails, fails[1:]), log
    assert m.process.poll() is None
    server.clear_faults()
    within(PATIENCE_S, lambda: try_list(m.path / "filename=keynote"))
    within(PATIENCE_S, lambda: try_complete(m))
    assert set(os.listdir(m.path / "filename=keynote")) == {
        n for n in folders(m) if "keynote" in n.lower()}
    assert len(folders(m)) == 3000


def try_complete(m):
    try:
        return m.wait_complete()
    except OSError:
        return None


def try_list(path):
    try:
        return os.listdir(path)
    except OSError:
        return None


@pytest.mark.parametrize("name", TRANSIENT)
def test_a_passing_fault_in_a_narrow_query_is_retried(standin, mount, name):
    server = standin(assets=3000)
    with_fault(server, TRANSIENT[name], query_contains="filename=", count=1)
    m = mount(server, timeout=TIMEOUT_S, refresh=600)
    shown = os.listdir(m.path / "filename=keynote")
    m.wait_complete()
    assert set(shown) == {n for n in folders(m) if "keynote" in n.lower()}


def test_whoever_waits_for_a_walk_that_pauses_wakes_it(standin, mount):
    """Left alone it would look again after eight seconds, and then later."""
    server = standin(assets=3000)
    server.fault("status", status=400, match={"kind": "list", "nth": 6,
                                              "count": -1})
    m = mount(server, timeout=6, refresh=600)
    within(PATIENCE_S, lambda: m.log().count("pauses") >= 4)
    server.clear_faults()
    m.wait_complete()
    assert len(folders(m)) == 3000


# The deadline may come while the host is given a rest.
NO_NETWORK = {errno.ENETUNREACH, errno.ETIMEDOUT}


def test_without_a_network_everything_known_is_served(standin, tmp_path):
    server = standin(assets=ASSETS)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        m.wait_complete()
        known = sorted(folders(m))
    with Mount(server, cache_dir=tmp_path / "c", timeout=4,
               within=["unshare", "-n"]) as m:
        assert sorted(folders(m)) == known
        # the first poll has ended, and the next begins with the question
        within(PATIENCE_S, lambda: m.status()["stale_because"])
        assert m.status()["last_error"] == os.strerror(errno.ENETUNREACH)
        with pytest.raises(OSError) as failure:
            m.refresh()
        assert failure.value.errno in NO_NETWORK
        with pytest.raises(OSError) as failure:
            next_picture(m).read_bytes()
        assert failure.value.errno in NO_NETWORK


def test_a_listing_cut_short_is_an_error_never_a_part(standin):
    server = standin(assets=3000)
    server.fault("status", status=503, match={"kind": "list", "nth": 20,
                                              "count": -1})
    with Mount(server, timeout=2) as m:
        with pytest.raises(OSError) as failure:
            m.wait_complete()
        assert failure.value.errno in (errno.EIO, errno.ETIMEDOUT,
                                       errno.EAGAIN, errno.EHOSTUNREACH)
        server.clear_faults()
        within(PATIENCE_S, lambda: m.status()["complete"])
        m.wait_complete()
        assert len(folders(m)) == 3000


@pytest.mark.parametrize("name", LASTING)
def test_a_fault_in_a_poll_leaves_what_is_known(standin, name):
    server = standin(assets=ASSETS)
    with Mount(server, timeout=1, refresh=600) as m:
        m.wait_complete()
        known = sorted(folders(m))
        gone = server.ids()[7]
        server.delete([gone])
        with_fault(server, LASTING[name], count=-1)
        start = time.monotonic()
        with pytest.raises(OSError):
            m.refresh()
        assert time.monotonic() - start < 1 + 5
        assert sorted(folders(m)) == known
        # who waited and the poll itself have the same deadline
        within(10, lambda: m.status()["stale_because"])
        server.clear_faults()
        within(PATIENCE_S, lambda: try_refresh(m))
        assert len(folders(m)) == ASSETS - 1


def try_refresh(m):
    try:
        m.refresh()
        return True
    except OSError:
        return False


def test_retry_after_is_obeyed_in_both_forms(standin):
    for form in ("seconds", "date"):
        server = standin(assets=250)
        server.ratelimit(limit=3, window_s=2, retry_after=form)
        with Mount(server, timeout=20, refresh=600) as m:
            m.wait_complete()
            assert len(folders(m)) == 250
        refused = server.stats()["by_status"].get("429", 0)
        assert refused <= 12  # one wave of parallel pages a window at most


def test_a_refused_key_after_an_accepted_one_is_shown(standin):
    server = standin(assets=ASSETS)
    with Mount(server, timeout=3, refresh=600) as m:
        m.wait_complete()
        server.fault("status", status=401,
                     body='{"code":"api_key_invalid","message":"no"}',
                     match={"origin": "api", "count": -1})
        with pytest.raises(PermissionError):
            m.refresh()
        assert "ermission" in m.status()["stale_because"] or \
            "refused" in m.status()["stale_because"]
        assert len(folders(m)) == ASSETS
        server.clear_faults()
        m.refresh()
        assert not m.status()["stale_because"]


def test_offline_everything_known_is_served(standin, tmp_path):
    server = standin(assets=ASSETS)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        m.wait_complete()
        known = {n: (p / "metadata.json").read_bytes()
                 for n, p in folders(m).items()}
    server.stop()
    with Mount(server, cache_dir=tmp_path / "c", timeout=2,
               refresh=0.5) as m:
        assert {n: (p / "metadata.json").read_bytes()
                for n, p in folders(m).items()} == known
        within(10, lambda: m.status()["stale_because"])
        assert m.status()["complete"] is True
        server.start()
        within(30, lambda: not m.status()["stale_because"])


@pytest.mark.parametrize("kind,expected", [
    (dict(kind="status", status=404), errno.EIO),
    (dict(kind="status", status=500), errno.EIO),
    (dict(kind="stall"), errno.ETIMEDOUT),
    (dict(kind="endless"), errno.EFBIG),
    (dict(kind="reset"), errno.EHOSTUNREACH)],
    ids=["404", "500", "stall", "endless", "reset"])
def test_picture_faults_have_their_errno(standin, kind, expected):
    server = standin(assets=60)
    with Mount(server, timeout=3) as m:
        m.wait_complete()
        fault = dict(kind)
        server.fault(fault.pop("kind"), match={"kind": "picture",
                                               "count": -1}, **fault)
        picture = next_picture(m)
        with pytest.raises(OSError) as failure:
            picture.read_bytes()
        assert failure.value.errno == expected
        server.clear_faults()
        within(30, lambda: try_read(picture))


def try_read(path):
    try:
        return path.read_bytes()
    except OSError:
        return None


def next_picture(m):
    return next(pictures(m))


def test_expired_pictures_are_renewed(standin):
    server = standin(assets=60)
    server.signing(True, ttl_s=3600)
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        server.expire()
        assert next_picture(m).read_bytes()


def test_a_waiting_reader_ends_at_a_signal(standin):
    server = standin(assets=60)
    with Mount(server, timeout=60) as m:
        m.wait_complete()
        server.fault("stall", match={"kind": "picture", "count": -1})
        picture = next_picture(m)
        for number in (signal.SIGINT, signal.SIGKILL):
            reader = subprocess.Popen(["cat", str(picture)],
                                      stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            server.wait("picture", 1)
            within(10, lambda: state(reader.pid) == "S")
            reader.send_signal(number)
            assert reader.wait(timeout=5) == -number


def test_waiting_operations_do_not_delay_warm_ones(standin):
    server = standin(assets=600)
    with Mount(server, timeout=30) as m:
        m.wait_complete()
        server.fault("stall", match={"kind": "picture", "count": -1})
        waiting = []
        for path, _ in zip(pictures(m), range(200)):
            waiting.append(subprocess.Popen(
                ["cat", path], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL))
        assert len(waiting) == 200
        for path in list(folders(m).values())[:50]:
            assert (path / "metadata.json").read_bytes()
        server.clear_faults()
        for reader in waiting:
            assert reader.wait(timeout=PATIENCE_S) == 0


def test_who_waits_in_a_directory_delays_nobody_there(standin):
    """Though the kernel is told of a name that went from it meanwhile."""
    server = standin(assets=3000)
    oldest = server.create(fields={"filename": "oldest.mp4"},
                           created_at="2001-01-01T00:00:00Z",
                           status="processing")[0]
    server.fault("stall", match={"kind": "list", "nth": 20, "count": 8})
    with Mount(server, timeout=PATIENCE_S, refresh=600, wait=False) as m:
        m.wait_ready()
        within(PATIENCE_S, lambda: server.faults()[0]["applied"] == 8)
        assert os.listdir(m.path) == ["video", "image", "audio", "document",
                                      "other", "pictures"]
        assert (m.path / "other" / "oldest.mp4").is_dir()
        waiter = subprocess.Popen(["stat", str(m.path / "unknown_field=1")],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        within(PATIENCE_S, lambda: m.status()["fuse"]["waiting"] == 1)
        server.status(oldest, "ready")
        assert os.listdir(m.path / "filename=oldest") == ["oldest.mp4"]
        assert m.status()["assets"]["other"] == 0
        assert subprocess.run(["stat", str(m.path / "filename=x")],
                              stdout=subprocess.DEVNULL,
                              timeout=PATIENCE_S / 3).returncode == 0
        assert waiter.poll() is None
        server.clear_faults()
        assert waiter.wait(timeout=PATIENCE_S) != 0
        within(PATIENCE_S, lambda: not os.path.exists(
            m.path / "other" / "oldest.mp4"))
        assert (m.path / "video" / "oldest.mp4").is_dir()


def test_unmounting_answers_whoever_waits(standin):
    server = standin(assets=60)
    with Mount(server, timeout=60) as m:
        m.wait_complete()
        server.fault("stall", match={"kind": "picture", "count": -1})
        reader = subprocess.Popen(["cat", str(next_picture(m))],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        server.wait("picture", 1)
        m.stop()
        assert reader.wait(timeout=10) != 0


def test_a_silent_server_ends_in_time_and_recovers(standin):
    server = standin(assets=60)
    with Mount(server, timeout=2, refresh=600) as m:
        m.wait_complete()
        server.suspend()
        try:
            start = time.monotonic()
            with pytest.raises(OSError):
                m.refresh()
            assert time.monotonic() - start < 2 + 5
            assert len(folders(m)) == 60
        finally:
            server.resume()
        within(30, lambda: try_refresh(m))


@pytest.mark.parametrize("status", [404, 410])
def test_a_status_that_says_gone_ends_no_listing(standin, status):
    """glibc takes ENOENT from a directory for its end."""
    server = standin(assets=ASSETS)
    server.fault("status", status=status,
                 match={"kind": "list", "nth": 3, "count": -1})
    with Mount(server, timeout=TIMEOUT_S, refresh=600) as m:
        for name in ("video", "image", "video/no.mp4", "filename=no"):
            with pytest.raises(OSError) as failure:
                os.listdir(m.path / name)
            assert failure.value.errno in (errno.EIO, errno.ETIMEDOUT)
        server.clear_faults()
        within(30, lambda: whole(m, ASSETS))


def whole(m, count):
    try:
        return len(folders(m)) == count
    except OSError:
        return False
