"""Each fault, at each stage: an error or a retry within the deadline, never
a partial listing as a whole one, the daemon alive, the account whole once
the fault is gone."""
import errno
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from mounting import Mount, MountFailed, PATIENCE_S, folders
from waiting import within

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
        assert m.status()["stale_because"]
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
        server = standin(assets=ASSETS)
        server.ratelimit(limit=3, window_s=2, retry_after=form)
        with Mount(server, timeout=20, refresh=600) as m:
            m.wait_complete()
            assert len(folders(m)) == ASSETS
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
    (dict(kind="status", status=404), errno.ENOENT),
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
    for path in folders(m).values():
        for entry in os.scandir(path):
            if entry.is_symlink() and entry.name.startswith("thumbnail."):
                return pathlib.Path(entry.path)
    raise AssertionError("no picture")


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


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(
        ")")[2].split()[0]


def test_waiting_operations_do_not_delay_warm_ones(standin):
    server = standin(assets=600)
    with Mount(server, timeout=30) as m:
        m.wait_complete()
        server.fault("stall", match={"kind": "picture", "count": -1})
        waiting = []
        for path in folders(m).values():
            for entry in os.scandir(path):
                if entry.is_symlink() and \
                        entry.name.startswith("thumbnail.") and \
                        len(waiting) < 200:
                    waiting.append(subprocess.Popen(
                        ["cat", entry.path], stdout=subprocess.DEVNULL,
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
                                      "other"]
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
