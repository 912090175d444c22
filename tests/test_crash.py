"""Crashes and damage: never a wrong listing, never a crash at the next
start."""
import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from mounting import Mount, folders
from waiting import pause

ASSETS = 2000


def whole(m, server):
    m.wait_complete()
    shown = [json.loads((p / "metadata.json").read_bytes())["_id"]
             for p in folders(m).values()]
    assert sorted(shown) == sorted(server.ids())


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
        whole(m, server)


def test_a_cache_directory_that_cannot_be_written(standin, tmp_path):
    server = standin(assets=100)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with Mount(server, cache_dir=blocked / "c") as m:
        whole(m, server)
        assert "serves for this run" in m.log()


def test_a_full_disk(standin, tmp_path):
    """The catalogue's disk fills up: what can't be kept is an error, what
    was committed is served."""
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
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
