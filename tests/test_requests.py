# SPDX-License-Identifier: MIT
"""What a mount costs, counted at the stand-in."""
import errno
import os
import subprocess
import urllib.error
import urllib.request

import pytest

from mounting import folders, pictures
from reading import DirectoryReader


def listed(server):
    return server.stats()["requests"]["list"]


def test_first_listing_of_ten_thousand_costs_203_requests_at_most(
        standin, mount):
    server = standin(assets=10000, latency_ms=20)
    m = mount(server, refresh=600)
    m.wait_complete()
    assert len(folders(m)) == 10000
    stats = server.stats()
    assert stats["requests"]["list"] <= 203
    assert stats["max_parallel"] >= 4


def test_warm_costs_no_request(standin, mount):
    server = standin(assets=10000)
    m = mount(server, refresh=600)
    m.wait_complete()
    before = server.stats()["requests"]
    for command in (["find", "."], ["ls", "-lR", "."], ["du", "-s", "."],
                    ["grep", "-r", "no such text anywhere", "."]):
        subprocess.run(command, cwd=m.path, stdout=subprocess.DEVNULL,
                       check=command[0] != "grep")
    after = server.stats()["requests"]
    assert after == before


def test_recursive_tools_never_download(standin, mount):
    server = standin(assets=300)
    m = mount(server, refresh=600)
    m.wait_complete()
    before = server.stats()["requests"]
    copy = m.home / "copy"
    for command in (["rg", "-j1", "no such text"], ["rg", "_id"],
                    ["grep", "-r", "x"], ["find", ".", "-ls"],
                    ["rsync", "-a", "./", str(copy)],
                    ["tar", "-cf", "/dev/null", "."],
                    ["cp", "-r", ".", str(m.home / "copy2")]):
        subprocess.run(command, cwd=m.path, stdout=subprocess.DEVNULL,
                       check=False)
    assert server.stats()["requests"] == before
    assert len(list(copy.glob("*/*/metadata.json"))) == 300


def test_rg_reads_every_folder(standin, mount):
    server = standin(assets=20)
    server.create(1, fields={"filename": "thumbnail.mp4",
                             "file_type": "video/mp4"})
    m = mount(server, refresh=600)
    m.wait_complete()
    out = subprocess.run(["rg", "-l", '"_id"'], cwd=m.path, check=True,
                         capture_output=True, text=True).stdout.split("\n")
    assert len(set(out) - {""}) == 21


def test_probing_costs_no_request(standin, mount):
    server = standin(assets=2000, latency_ms=200)
    m = mount(server, refresh=600)
    before = listed(server)
    for directory in ("", "video", "filename=x"):
        for name in (".git", ".hidden", ".Trash-1000", "autorun.inf",
                     ".directory"):
            assert not os.path.exists(m.path / directory / name)
    m.wait_complete()
    assert listed(server) <= 2000 / 50 + 3
    assert before >= 1


def test_pictures_are_fetched_once(standin, mount):
    server = standin(assets=60)
    m = mount(server)
    m.wait_complete()
    for _ in range(2):
        count = 0
        for path in pictures(m):
            assert path.read_bytes()
            count += 1
    assert server.stats()["requests"]["picture"] == count > 10


@pytest.mark.parametrize("account", ["plain", "hostile"])
def test_pictures_are_equal_byte_for_byte(standin, mount, account):
    server = standin(assets=400, account=account)
    m = mount(server)
    m.wait_complete()
    compared = 0
    for picture in pictures(m):
        url = (picture.parent.parent / "thumbnail.url").read_text().split("URL=")[1].strip()
        if not url.startswith(server.media + "/assets/"):
            continue  # a hostile one leads elsewhere: tests stay on loopback
        try:
            with urllib.request.urlopen(url) as answer:
                expected = answer.read()
        except urllib.error.HTTPError as refused:
            assert refused.code == 404
            with pytest.raises(OSError) as failure:
                picture.read_bytes()
            assert failure.value.errno == errno.EIO
            continue
        assert picture.stat().st_size == len(expected)
        assert picture.read_bytes() == expected
        compared += 1
    assert compared > (100 if account == "plain" else 5)


def test_a_listing_left_unfinished_is_cached_again_after_a_change(
        standin, mount):
    """The kernel keeps what was read of it, and must be able to go on."""
    server = standin(assets=3000)
    m = mount(server, refresh=600)
    m.wait_complete()
    server.create(1, fields={"file_type": "video/mp4", "filename": "one"},
                  status="ready")
    m.refresh()  # whatever was cached is no longer
    reader = DirectoryReader(m.path / "video")
    while len(reader.seen) < 400:
        reader.read()
    reader.close()
    server.create(1, fields={"file_type": "video/mp4", "filename": "two"},
                  status="ready")
    m.refresh()
    for _ in range(2):
        os.listdir(m.path / "video")
    before = m.status()["fuse"]["readdirplus"]
    assert {"one", "two"} <= set(os.listdir(m.path / "video"))
    assert m.status()["fuse"]["readdirplus"] == before
