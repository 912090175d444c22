# SPDX-License-Identifier: MIT
"""Crashes and damage: never a wrong listing, never a crash at the next
start."""
import contextlib
import errno
import glob
import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest

import sanitizing
from mounting import BUILD, Mount, folders, pictures
from waiting import pause, within

ASSETS = 2000


def whole(m, server):
    m.wait_complete()
    shown = [json.loads((p / "metadata.json").read_bytes())["_id"]
             for p in folders(m).values()]
    assert sorted(shown) == sorted(server.ids())


def right_or_an_error(m, server):
    """Whether every reading was one of an asset: those of a damaged part are
    EIO, and none is wrong. Answers how many assets were read."""
    ids = set(server.ids())
    good = True
    for kind in ("video", "image", "audio", "document", "other"):
        try:
            names = os.listdir(m.path / kind)
        except OSError as e:
            none = kind == "other" and e.errno == errno.ENOENT
            assert none or e.errno == errno.EIO
            good &= none
            continue
        for name in names:
            try:
                text = (m.path / kind / name / "metadata.json").read_bytes()
            except OSError as e:
                assert e.errno == errno.EIO
                good = False
                continue
            found = json.loads(text)
            assert found == json.loads(server.raw(found["_id"]))
            ids.remove(found["_id"])
    return good, len(server.ids()) - len(ids)


def cache_file(cache):
    return next(pathlib.Path(cache).glob("*/catalogue.sqlite"))


def test_killed_at_any_moment(standin, tmp_path):
    """TWELVEFS_KILLS more by hand; each time the account changed as well."""
    server = standin(assets=ASSETS, latency_ms=2)
    dice = random.Random(11)
    for kill in range(int(os.environ.get("TWELVEFS_KILLS", "12"))):
        m = Mount(server, cache_dir=tmp_path / "c", refresh=0.2, wait=False)
        try:
            pause(dice.random() * 0.6)
            m.kill()
        finally:
            m.stop()
            shutil.rmtree(m.home, ignore_errors=True)
        server.delete(random=1 + dice.randrange(5), seed=dice.randrange(99))
        server.create(1 + dice.randrange(4))
        if kill % 4 == 3:
            with Mount(server, cache_dir=tmp_path / "c", refresh=600) as m:
                m.wait_complete()
                m.refresh()
                whole(m, server)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied",
                                    "nonsense"])
def test_a_damaged_cache_is_set_aside_and_rebuilt(standin, tmp_path, damage):
    server = standin(assets=ASSETS)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        whole(m, server)
    path = cache_file(tmp_path / "c")
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        data = data[:len(data) // 3]
    elif damage == "flipped":
        dice = random.Random(int(os.environ.get("TWELVEFS_SEED", "5")))
        for _ in range(dice.choice((1, 20, 400))):
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif damage == "emptied":
        data = bytearray()
    else:
        data = bytearray(os.urandom(len(data)))
    path.write_bytes(data)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        if "set aside" in m.log():
            whole(m, server)
        else:
            good, count = right_or_an_error(m, server)
            assert good == ("the cache file is damaged" not in m.log())
            assert not good or count == ASSETS
    with Mount(server, cache_dir=tmp_path / "c") as m:
        whole(m, server)


@pytest.mark.parametrize("name", ["catalogue.sqlite", "catalogue.sqlite-wal"])
def test_a_cache_cut_short_under_the_mount_ends_in_errors(standin, tmp_path,
                                                          name):
    """Mapped files would end the daemon by SIGBUS."""
    server = standin(assets=ASSETS)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        whole(m, server)
    with Mount(server, cache_dir=tmp_path / "c", timeout=5) as m:
        server.create(3)
        m.refresh()
        os.truncate(cache_file(tmp_path / "c").parent / name, 0)
        server.create(3)
        with contextlib.suppress(OSError):
            m.refresh()
        right_or_an_error(m, server)
        assert m.process.poll() is None
    with Mount(server, cache_dir=tmp_path / "c") as m:
        whole(m, server)


def test_a_cache_directory_that_cannot_be_written(standin, tmp_path):
    server = standin(assets=100)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with Mount(server, cache_dir=blocked / "c") as m:
        whole(m, server)
        assert "for this run" in m.log()


def test_a_full_disk(standin, tmp_path):
    """The catalogue's disk fills up: what can't be kept is an error, what
    was committed is served. With room again the walk goes on, and nothing of
    what was lost with a commit is missing."""
    server = standin(assets=ASSETS)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs",
                    str(disk)], check=True)
    try:
        with Mount(server, cache_dir=disk / "c", timeout=2) as m:
            with pytest.raises(OSError):
                m.wait_complete()
            assert m.process.poll() is None
            assert "video" in os.listdir(m.path)
            subprocess.run(["mount", "-o", "remount,size=64m", str(disk)],
                           check=True)
            within(60, lambda: m.status()["complete"])
            whole(m, server)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


class Clock:
    """The wall clock of a process, set while it runs; the monotonic one goes
    on. A library that is preloaded, which sanitizers can't have before them."""

    def __init__(self, path):
        self.path = path
        self.set("+0")
        self.env = {
            "LD_PRELOAD": glob.glob(
                "/usr/lib/*/faketime/libfaketimeMT.so.1")[0],
            "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, offset):
        """In one step: what finds it empty ends the process."""
        new = self.path.with_suffix(".new")
        new.write_text(offset)
        new.replace(self.path)


def some_pictures(m, dice):
    return dice.sample(list(pictures(m)), 5)


@pytest.mark.skipif(sanitizing.sanitizers_of(BUILD) != "none",
                    reason="sanitizers must be loaded first")
def test_a_clock_that_jumps_harms_nothing(standin, tmp_path):
    """A day ahead, years back, at a start out of a cache of the future."""
    server = standin(assets=300)
    server.signing(True)
    server.ratelimit(limit=100000, window_s=60)
    clock = Clock(tmp_path / "clock")
    dice = random.Random(3)
    for start in ("+0", "+400d", "-2d"):
        clock.set(start)
        with Mount(server, env=clock.env, cache_dir=tmp_path / "c",
                   refresh=0.5, timeout=10) as m:
            for jump in ("+2d", "-4000d", "+0"):
                clock.set(jump)
                server.delete(random=2, seed=dice.randrange(99))
                server.create(2)
                m.refresh()
                whole(m, server)
                for picture in some_pictures(m, dice):
                    assert pathlib.Path(picture).read_bytes()
                polls = m.status()["polls"]
                within(20, lambda: m.status()["polls"] >= polls + 2)
