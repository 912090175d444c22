# SPDX-License-Identifier: MIT
"""Limits and outages of others: obeyed, not believed blindly, and no further
than where they hold."""
import concurrent.futures
import errno
import os

import pytest

from mounting import Mount, PATIENCE_S, pictures
from waiting import within

ASSETS = 300
READERS = 100
DAY_S = 86400


def errno_of(function):
    try:
        function()
    except OSError as error:
        return error.errno
    return 0


def paused(m):
    return m.status()["background_pause_ms"] > 0


@pytest.mark.parametrize("header", ["Retry-After", "Remaining"])
def test_one_header_silences_the_mount_for_minutes_at_most(standin, mount,
                                                           header):
    """And a person's question, which may always try, ends it at once."""
    server = standin(assets=ASSETS)
    m = mount(server, refresh=1)
    m.wait_complete()
    if header == "Retry-After":
        server.refuse(retry_after=DAY_S, origin="api")
    else:
        server.nothing_remains(reset_s=DAY_S)
    within(PATIENCE_S, lambda: paused(m))
    assert m.status()["background_pause_ms"] <= 300000
    server.create(fields={"filename": "late.mp4", "file_type": "video/mp4"})
    assert errno_of(m.refresh) == 0
    assert not paused(m)
    assert (m.path / "video" / "late.mp4").is_dir()


def test_who_asks_while_a_day_is_refused_asks_now_and_then(standin, mount):
    server = standin(assets=ASSETS)
    m = mount(server, refresh=600)
    m.wait_complete()
    server.refuse(retry_after=DAY_S, count=-1, origin="api")
    assert errno_of(m.refresh) == errno.EAGAIN
    before = server.stats()["by_status"]["429"]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(
            lambda i: errno_of(lambda: os.stat(m.path / f".id/{i:024x}")),
            range(16)))
    assert set(found) <= {errno.EAGAIN, errno.ENOENT}, found
    assert server.stats()["by_status"]["429"] - before <= 2


def test_a_picture_hosts_limit_never_slows_the_list(standin, mount):
    server = standin(assets=ASSETS)
    m = mount(server, refresh=600)
    m.wait_complete()
    server.refuse(retry_after=DAY_S, count=-1, origin="media")
    assert errno_of(next(pictures(m)).read_bytes) in (errno.EAGAIN, errno.EBUSY)
    assert not paused(m)
    server.create(fields={"filename": "new.mp4", "file_type": "video/mp4"})
    m.refresh()
    assert (m.path / "video" / "new.mp4").is_dir()
    assert server.stats()["by_status"]["429"] == 1


def test_a_redirect_that_is_refused_is_asked_once(standin, mount):
    server = standin(assets=ASSETS)
    m = mount(server, refresh=600)
    m.wait_complete()
    for count, location in enumerate(["ftp://127.0.0.1/x", "file:///etc/passwd",
                                      "http://"], 1):
        server.fault("redirect", location=location,
                     match={"kind": "picture", "count": -1})
        assert errno_of(list(pictures(m))[count].read_bytes) == errno.EIO
        assert server.stats()["requests"]["picture"] == count
        server.clear_faults()


def test_after_an_outage_nobody_is_refused(standin, mount):
    """The first burst at a host that is well again waits for the one that
    finds out."""
    server = standin(assets=2 * READERS)
    m = mount(server, refresh=600, timeout=8)
    m.wait_complete()
    some = list(pictures(m))
    assert len(some) >= READERS
    server.fault("reset", match={"origin": "media", "count": -1})
    while server.stats()["requests"]["picture"] < 5:
        assert errno_of(some[0].read_bytes) == errno.EHOSTUNREACH
    server.clear_faults()
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(lambda path: errno_of(path.read_bytes),
                              some[:READERS]))
    assert found == [0] * READERS


@pytest.mark.parametrize("status", [404, 410])
def test_a_list_that_is_not_there_is_an_error_and_no_end(standin, status):
    server = standin(assets=3000)
    server.fault("status", status=status,
                 match={"kind": "list", "nth": 20, "count": -1})
    with Mount(server, timeout=2) as m:
        with pytest.raises(OSError) as failure:
            m.wait_complete()
        assert failure.value.errno == errno.EIO
