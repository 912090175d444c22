# SPDX-License-Identifier: MIT
"""The tree a user sees, over accounts plain and hostile."""
import collections
import errno
import json
import mmap
import os
import pathlib
import re
import stat
import subprocess

import pytest

from mounting import folders
from waiting import within


def exact(text):
    """JSON with numbers kept as their text and members as lists of pairs."""
    return json.loads(text, strict=False, parse_int=lambda t: ("number", t),
                      parse_float=lambda t: ("number", t),
                      object_pairs_hook=lambda pairs: ("object", pairs))


def objects(server):
    """{id: the object's exact bytes} as the server has them."""
    found = {}
    for line in server.dump().splitlines():
        if line.strip():
            text = line.decode("utf-8", "surrogateescape") \
                if isinstance(line, bytes) else line
            found.setdefault(json.loads(text, strict=False).get("_id"), text)
    return found


def test_root_partitions_the_account(standin, mount):
    server = standin(assets=300)
    m = mount(server)
    assert set(os.listdir(m.path)) - {"other"} == {
        "audio", "document", "image", "video", "pictures"}
    m.wait_complete()
    found = folders(m)
    assert len(found) == 300
    ids = [json.loads((p / "metadata.json").read_text())["_id"]
           for p in found.values()]
    assert sorted(ids) == sorted(server.ids())


def test_every_hostile_asset_stands_in_exactly_one_folder(standin, mount):
    server = standin(assets=400, account="hostile")
    m = mount(server)
    m.wait_complete()
    found = folders(m)
    assert len(found) == 400
    for name, path in found.items():
        raw = os.fsencode(name)
        assert 0 < len(raw) <= 255
        assert not re.search(rb"[\x00-\x1f\x7f/]", raw)
        assert (path / "metadata.json").is_file()


def test_what_cannot_be_shown_is_said(standin, mount):
    server = standin(assets=20)
    server.create(text='{"filename": "deep", "x": %s}' % ("[" * 600 + "]" * 600))
    m = mount(server)
    m.wait_complete()
    assert len(folders(m)) == 20
    within(10, lambda: "1 of the list's elements" in m.log())


def test_hostile_metadata_comes_back_without_loss(standin, mount):
    server = standin(assets=400, account="hostile")
    m = mount(server)
    m.wait_complete()
    expected = collections.Counter()
    for line in server.dump().splitlines():
        if line.strip():
            expected[repr(exact(decode(line)))] += 1
    seen = collections.Counter()
    for path in folders(m).values():
        data = (path / "metadata.json").read_bytes()
        assert data.endswith(b"\n")
        seen[repr(exact(decode(data)))] += 1
    assert seen == expected


def decode(data):
    return data.decode("utf-8", "surrogateescape") \
        if isinstance(data, bytes) else data


def test_stat_size_is_what_is_read(standin, mount):
    m = mount(standin(assets=400, account="hostile"))
    m.wait_complete()
    for path in folders(m).values():
        for entry in os.scandir(path):
            if entry.is_symlink():
                assert entry.stat(follow_symlinks=False).st_size == \
                    len(os.fsencode(os.readlink(entry.path)))
            else:
                data = pathlib.Path(entry.path).read_bytes()
                assert entry.stat().st_size == len(data) > 0


def test_links_are_there_only_when_the_api_gives_their_url(standin, mount):
    server = standin(assets=200)
    m = mount(server)
    m.wait_complete()
    with_picture = 0
    for path in folders(m).values():
        asset = json.loads((path / "metadata.json").read_text())
        picture = (asset.get("thumbnail") or {}).get("representative_url")
        manifest = (asset.get("hls") or {}).get("manifest_url")
        names = os.listdir(path)
        assert ("thumbnail.url" in names) == bool(picture)
        assert ("manifest.url" in names) == bool(manifest)
        assert ("media" in names) == bool(picture or manifest)
        if picture or manifest:
            assert os.readlink(path / "media") == f"../../.media/{asset['_id']}"
            media = os.listdir(path / "media")
            assert ("manifest.m3u8" in media) == bool(manifest)
            assert len(media) == bool(picture) + bool(manifest)
            assert any(n.startswith("thumbnail.") for n in media) == \
                bool(picture)
        if picture:
            with_picture += 1
            text = (path / "thumbnail.url").read_text()
            assert text.splitlines() == ["[InternetShortcut]",
                                         f"URL={picture}"]
    assert with_picture > 50


def test_a_link_file_never_smuggles_lines_or_schemes(standin, mount):
    m = mount(standin(assets=400, account="hostile"))
    m.wait_complete()
    for path in folders(m).values():
        for name in ("thumbnail.url", "manifest.url"):
            if (path / name).exists():
                lines = (path / name).read_bytes().split(b"\r\n")
                assert len(lines) == 3 and lines[2] == b""
                assert re.fullmatch(rb"(?i)URL=https?://[\x21-\x7e]+", lines[1])


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_permissions_and_types(standin, mount, mode):
    m = mount(standin(assets=60), **{mode: True})
    m.wait_complete()
    path = next(iter(folders(m).values()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o555
    assert stat.S_IMODE((path / "metadata.json").stat().st_mode) == 0o444
    for call in (lambda: (path / "new").write_text("x"),
                 lambda: (path / "metadata.json").write_text("x"),
                 lambda: (m.path / "video/new").mkdir(),
                 lambda: os.rename(path, m.path / "video/other"),
                 lambda: os.unlink(path / "metadata.json"),
                 lambda: os.rmdir(path)):
        with pytest.raises(OSError) as failure:
            call()
        assert failure.value.errno in (30, 13)  # EROFS; EACCES: mode 0444


@pytest.mark.skipif(os.geteuid() != 0, reason="mode 0444 binds all but root")
def test_a_write_through_a_mapping_is_nowhere_to_be_read(standin, mount):
    m = mount(standin(assets=20), rw=True)
    m.wait_complete()
    path = next(iter(folders(m).values())) / "metadata.json"
    text = path.read_bytes()
    fd = os.open(path, os.O_RDWR)
    try:
        with mmap.mmap(fd, 0) as mapping:
            mapping[:1] = b"X"
            with pytest.raises(OSError) as failure:
                mapping.flush()
            assert failure.value.errno == errno.EROFS
    finally:
        os.close(fd)
    within(10, lambda: path.read_bytes() == text)


def test_mtime_is_created_at(standin, mount):
    m = mount(standin(assets=60))
    m.wait_complete()
    for path in folders(m).values():
        asset = json.loads((path / "metadata.json").read_text())
        text = subprocess.run(
            ["date", "-u", "-d", asset["created_at"], "+%s"], check=True,
            capture_output=True, text=True).stdout
        assert int(path.stat().st_mtime) == int(text)


def test_the_first_second_of_1970_is_a_time(standin, mount):
    server = standin(assets=60)
    server.create(1, fields={"filename": "epoch.mp4"}, status="ready",
                  created_at="1970-01-01T00:00:00Z")
    m = mount(server)
    m.wait_complete()
    assert next(m.path.glob("*/epoch.mp4")).stat().st_mtime == 0
    assert os.listdir(m.path / "created=1970-01-01T00:00:00Z") == ["epoch.mp4"]


def test_df_counts_assets_and_bytes(standin, mount):
    server = standin(assets=120)
    m = mount(server)
    m.wait_complete()
    st = os.statvfs(m.path)
    assert st.f_files == 120
    stored = 0
    for path in folders(m).values():
        size = json.loads((path / "metadata.json").read_text()).get("size")
        stored += size if isinstance(size, int) else 0
    assert abs(st.f_blocks * st.f_frsize - stored) < 2 * st.f_frsize


def test_folders_carry_xattrs(standin, mount):
    m = mount(standin(assets=30))
    m.wait_complete()
    for path in folders(m).values():
        asset = json.loads((path / "metadata.json").read_text())
        names = os.listxattr(path)
        assert "user.twelvelabs.status" in names
        assert os.getxattr(path, "user.twelvelabs.status").decode() == \
            asset["status"]
        assert os.listxattr(path / "metadata.json") == []


def test_recursive_tools_reach_every_asset_once_and_no_hidden_place(
        standin, mount):
    server = standin(assets=250)
    m = mount(server)
    m.wait_complete()
    out = subprocess.run(["grep", "-rlF", '"_id"', str(m.path)], check=True,
                         capture_output=True, text=True).stdout.splitlines()
    assert len(out) == len(set(out)) == 250
    found = subprocess.run(["find", str(m.path), "-name", ".*", "-not",
                            "-name", "."], check=True, capture_output=True,
                           text=True).stdout.split()
    assert [f for f in found if f != str(m.path)] == []


def test_hidden_places_can_be_entered(standin, mount):
    server = standin(assets=80)
    m = mount(server)
    m.wait_complete()
    one = server.ids()[7]
    by_id = m.path / ".id" / one
    assert json.loads((by_id / "metadata.json").read_text())["_id"] == one
    assert not (m.path / ".id" / ("0" * 24)).exists()
    assert m.status()["assets"]["all"] == 80


def test_other_stands_only_while_an_asset_fits_no_type(standin, mount):
    plain = mount(standin(assets=40, account="demo"))
    plain.wait_complete()
    hostile = mount(standin(assets=400, account="hostile"))
    hostile.wait_complete()
    assert "other" in os.listdir(hostile.path)
    listed = os.listdir(plain.path)
    assert ("other" in listed) == (plain.path / "other").exists()


def odd_account(standin, odd):
    """300 assets; those that fit no type are one, the newest, or none."""
    server = standin(assets=300)
    server.delete([a["_id"] for a in server.assets()
                   if "file_type" not in a])
    if odd:
        server.create(1, fields={"filename": "odd", "file_type": "x/y"})
    return server


def test_the_first_listing_of_the_root_knows_other(standin, mount):
    server = odd_account(standin, odd=True)
    server.latency(100)
    m = mount(server)
    assert "other" in os.listdir(m.path)
    assert os.listdir(m.path / "other") == ["odd"]


def test_the_first_listing_of_the_root_invents_no_other(standin, mount):
    server = odd_account(standin, odd=False)
    server.latency(100)
    m = mount(server)
    assert sorted(os.listdir(m.path)) == ["audio", "document", "image",
                                          "pictures", "video"]
    assert not (m.path / "other").exists()


def test_a_listing_of_the_root_never_waits_for_a_slow_walk(standin, mount):
    """It has other/ then, whose reader waits; which goes when it is empty."""
    server = odd_account(standin, odd=False)
    server.fault("stall", match={"kind": "list", "nth": 2, "count": -1})
    m = mount(server)
    assert "other" in os.listdir(m.path)
    server.clear_faults()
    assert os.listdir(m.path / "other") == []
    within(10, lambda: "other" not in os.listdir(m.path))


def odd_ids():
    """Ids that no path component and no suffix can be, all different."""
    return ["", "\\u0000", "a\\u0000b", "a\\u0000c", "x" * 255, "y" * 255,
            "z" * 300, "x" * 256, "a/b", "a/c", ".", "..", ".media", "%", "%41",
            "short", "@" + "0" * 24, "0" * 40, "%ff", "\\ud800", "\\u202e1",
            "x=1", "é" * 100, "é" * 120, " ", "noid-0123456789abcdef"]


@pytest.mark.parametrize("filename", ["same.mp4", "same" * 60 + ".mp4", "@"],
                         ids=["short", "cut", "at"])
def test_no_asset_is_lost_for_an_odd_id(standin, mount, filename):
    """All of one filename and one second, so that only ids tell them apart."""
    server = standin(assets=0)
    url = server.media + "/assets/x.png"
    for one in odd_ids():
        server.create(text=json.dumps({
            "created_at": "2026-01-01T00:00:00Z", "filename": filename,
            "file_type": "video/mp4", "status": "ready",
            "thumbnail": {"status": "ready", "representative_url": url},
            "_id": "$"}).replace("$", one))
    m = mount(server)
    names = os.listdir(m.path / "video")
    assert len(set(names)) == len(names) == len(odd_ids())
    for place in (m.path, m.path / "video", m.path / f"filename={filename[0]}"):
        pictures = os.listdir(place / ".pictures")
        assert len(pictures) > 20
        for name in pictures:
            assert len(os.fsencode(name)) <= 255
            assert os.readlink(place / ".pictures" / name)
            assert name.rpartition(".")[0] in names
