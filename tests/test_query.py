# SPDX-License-Identifier: MIT
"""A path is a query, held against a brute-force reading of the account."""
import errno
import json
import os
import random
import subprocess
import time
import unicodedata

import pytest

import sanitizing
from mounting import BUILD, folders
from waiting import within


def under(m, *segments):
    path = m.path.joinpath(*segments)
    return sorted(os.listdir(path))


def read_account(m):
    account = {}
    for name, path in folders(m).items():
        text = (path / "metadata.json").read_bytes()
        account[name] = (path.parent.name,
                         json.loads(text.decode("utf-8", "replace")))
    return account


def expect(account, predicate):
    return sorted(name for name, (kind, asset) in account.items()
                  if predicate(kind, asset))


@pytest.fixture(scope="module")
def plain():
    from mounting import Mount
    from standin import Standin
    with Standin(assets=1500) as server, Mount(server, refresh=600) as m:
        m.wait_complete()
        yield server, m, read_account(m)


def number(value):
    return value if isinstance(value, (int, float)) and \
        not isinstance(value, bool) else None


CASES = [
    (("type=video",), lambda k, a: k == "video"),
    (("type=video,image",), lambda k, a: k in ("video", "image")),
    (("video", "type=image"), lambda k, a: False),
    (("status=ready",), lambda k, a: a.get("status") == "ready"),
    (("status=processing,failed",),
     lambda k, a: a.get("status") in ("processing", "failed")),
    (("size=1M..",), lambda k, a: (number(a.get("size")) or -1) >= 1e6),
    (("size=..1M",),
     lambda k, a: number(a.get("size")) is not None and a["size"] <= 1e6),
    (("duration=1m..10m",),
     lambda k, a: number(a.get("duration")) is not None and
     60 <= a["duration"] <= 600),
    (("method=direct", "status=ready"),
     lambda k, a: a.get("method") == "direct" and a.get("status") == "ready"),
    (("hls.status=ready",),
     lambda k, a: (a.get("hls") or {}).get("status") == "ready"),
    (("hls=null",), lambda k, a: a.get("hls") is None),
]


@pytest.mark.parametrize("segments,predicate", CASES,
                         ids=["/".join(c[0]) for c in CASES])
def test_queries_hold_what_a_reading_finds(plain, segments, predicate):
    _, m, account = plain
    assert under(m, *segments) == expect(account, predicate)


def test_created_is_a_prefix_or_a_range(plain):
    _, m, account = plain
    months = sorted({a["created_at"][:7] for _, a in account.values()})
    for month in months[:3]:
        assert under(m, f"created={month}") == expect(
            account, lambda k, a: a["created_at"].startswith(month))
    low, high = months[0], months[min(2, len(months) - 1)]
    assert under(m, f"created={low}..{high}") == expect(
        account, lambda k, a: low <= a["created_at"][:7] <= high)


def test_filename_is_a_substring_in_any_case(plain):
    _, m, account = plain
    names = [a["filename"] for _, a in account.values()]
    for name in random.Random(1).sample(names, 25):
        text = name[1:7].upper()
        if "/" in text or "%" in text or not text.strip():
            continue
        assert under(m, f"filename={text}") == expect(
            account, lambda k, a: text.casefold() in
            a.get("filename", "").casefold())


def test_filename_finds_all_normal_forms(standin, mount):
    server = standin(assets=300)
    names = [unicodedata.normalize(form, f"{form} Café Ångström.mp4")
             for form in ("NFC", "NFD")]
    for name in names:
        server.create(1, fields={"filename": name}, status="ready")
    server.latency(50)
    for wait in (False, True):  # asked of the server, and of the catalogue
        m = mount(server, refresh=600)
        if wait:
            m.wait_complete()
        for text in ("é", "CAFÉ", "ångström", "café ångström"):
            composed, apart = (under(m, "filename=" +
                                     unicodedata.normalize(form, text))
                               for form in ("NFC", "NFD"))
            assert composed == apart and set(names) <= set(composed)


def test_names_over_255_bytes_are_too_long_everywhere(plain):
    _, m, _ = plain
    name, segment = "x" * 256, "filename=" + "x" * 247
    folder = next(iter(folders(m).values()))
    for place in (m.path, m.path / "video", m.path / "status=ready", folder,
                  m.path / ".id", m.path / ".media", m.path / ".twelvefs",
                  m.path / ".pictures", m.path / "size=1.." / ".pictures"):
        for long in (name, segment, "é" * 128, name + ".jpg", "x" * 1024):
            with pytest.raises(OSError) as failure:
                os.stat(place / long)
            assert failure.value.errno == errno.ENAMETOOLONG
    for target, link in ((segment, "short"), ("status=ready/" + segment, "n"),
                         ("status=ready", name)):
        with pytest.raises(OSError) as failure:
            m.save("", link, target)
        assert failure.value.errno == errno.ENAMETOOLONG
    assert not (m.path / name[1:]).exists()
    assert under(m, segment[:-1]) == []


def test_user_metadata_is_a_key(plain):
    _, m, account = plain
    keys = {(k, v) for _, a in account.values()
            for k, v in (a.get("user_metadata") or {}).items()
            if isinstance(v, (str, int)) and not isinstance(v, bool) and
            k.isidentifier() and "/" not in str(v) and "," not in str(v) and
            ".." not in str(v) and "%" not in str(v)}
    assert keys
    for key, value in sorted(keys, key=str)[:40]:
        if value == "":
            continue
        assert under(m, f"user_metadata.{key}={value}") == expect(
            account, lambda k, a: str((a.get("user_metadata") or {})
                                      .get(key)) == str(value))


def test_order_of_nesting_does_not_matter(plain):
    _, m, _ = plain
    one = under(m, "status=ready", "type=video")
    assert one == under(m, "type=video", "status=ready") != []
    assert one == under(m, "video", "status=ready")


@pytest.mark.parametrize("name", [
    "nosuchkey=1", "type=cinema", "size=big..", "duration=1..2..3x..",
    "filename=", "created=yesterday", "=x", "status=%ZZ", "id="])
def test_unknown_or_malformed_does_not_exist(plain, name):
    server, m, _ = plain
    before = server.stats()["requests"]
    if name.startswith(("size=", "duration=")):
        # A range that isn't one is an exact value nothing has.
        if (m.path / name).exists():
            assert under(m, name) == []
    else:
        assert not (m.path / name).exists()
    assert server.stats()["requests"] == before


def test_a_query_without_a_hit_is_empty(plain):
    _, m, _ = plain
    assert under(m, "filename=zzzz no such thing zzzz") == []


def test_warm_queries_cost_no_request(plain):
    server, m, _ = plain
    before = server.stats()["requests"]
    for segments, _ in CASES:
        under(m, *segments)
    subprocess.run(["grep", "-r", "x", str(m.path / "status=ready")],
                   stdout=subprocess.DEVNULL, check=True)
    assert server.stats()["requests"] == before


def test_folders_in_a_query_are_whole(plain):
    _, m, _ = plain
    name = under(m, "status=ready", "type=video")[0]
    a = m.path / "status=ready" / "type=video" / name
    b = m.path / "video" / name
    assert sorted(os.listdir(a)) == sorted(os.listdir(b))
    assert (a / "metadata.json").read_bytes() == \
        (b / "metadata.json").read_bytes()
    for entry in os.scandir(a):
        if entry.is_symlink():
            assert os.path.realpath(entry.path).startswith(
                str(m.path / ".media"))
            assert os.path.isdir(entry.path)


def test_ndjson_holds_the_listing(plain):
    _, m, account = plain
    for place, names in ((m.path, account),
                         (m.path / "video",
                          expect(account, lambda k, a: k == "video")),
                         (m.path / "status=ready",
                          under(m, "status=ready"))):
        path = place / ".assets.ndjson"
        data = path.read_bytes()
        assert os.stat(path).st_size == len(data)
        lines = data.splitlines()
        ids = sorted(json.loads(line)["_id"] for line in lines)
        assert ids == sorted(account[n][1]["_id"] for n in names)
    head = subprocess.run(["head", "-1", str(m.path / ".assets.ndjson")],
                          capture_output=True, check=True).stdout
    assert json.loads(head)["_id"]
    out = subprocess.run(["jq", "-r", "._id", str(m.path /
                                                  ".assets.ndjson")],
                         capture_output=True, text=True, check=True).stdout
    assert len(out.split()) == len(account)


def test_pictures_are_a_contact_sheet(plain):
    _, m, account = plain
    names = os.listdir(m.path / "video/.pictures")
    with_picture = expect(account, lambda k, a: k == "video" and
                          (a.get("thumbnail") or {}).get("representative_url"))
    assert sorted(n.rpartition(".")[0] for n in names) == with_picture
    data = (m.path / "video/.pictures" / names[0]).read_bytes()
    assert len(data) > 500


def test_saved_queries(standin, tmp_path):
    from mounting import Mount
    server = standin(assets=300)
    with Mount(server, cache_dir=tmp_path / "c", refresh=600, rw=True) as m:
        m.wait_complete()
        os.symlink("status=ready", m.path / "done")
        os.symlink("filename=a/status=ready", m.path / "video/mine")
        assert "done" in os.listdir(m.path)
        assert sorted(os.listdir(m.path / "done")) == under(m, "status=ready")
        for target in ("/etc/passwd", "../x", "video", "nosuch=1", ""):
            with pytest.raises(OSError):
                os.symlink(target, m.path / "bad")
        with pytest.raises(OSError) as failure:
            os.symlink("filename=" + "x" * 250, m.path / "bad")
        assert failure.value.errno == errno.ENAMETOOLONG
        with pytest.raises(FileExistsError):
            os.symlink("status=ready", m.path / "done")
        found = subprocess.run(["find", str(m.path), "-name",
                                "metadata.json"], capture_output=True,
                               text=True, check=True).stdout.split("\n")
        assert len([f for f in found if f]) == 300
    with Mount(server, cache_dir=tmp_path / "c", refresh=600, rw=True) as m:
        assert "done" in os.listdir(m.path)
        assert os.readlink(m.path / "video/mine") == "filename=a/status=ready"
        os.unlink(m.path / "done")
        assert "done" not in os.listdir(m.path)


def test_narrow_questions_go_ahead_of_the_walk(standin, mount):
    server = standin(assets=30000, latency_ms=100)
    ids = server.ids()
    m = mount(server, refresh=600)
    assert m.status()["complete"] is False
    start = time.monotonic()
    got = under(m, f"id={ids[15000]}")
    assert len(got) == 1
    asset = json.loads((m.path / f"id={ids[15000]}" / got[0] /
                        "metadata.json").read_text())
    assert asset["_id"] == ids[15000]
    name = asset["filename"]
    assert under(m, f"filename={name}")
    narrow = [r for r in server.log() if "filename=" in r["path"] or
              "asset_ids=" in r["path"]]
    assert len(narrow) <= 8
    print("narrow answers took", time.monotonic() - start, "s")


def test_a_cold_query_equals_the_warm_one(standin, mount):
    server = standin(assets=4000, account="hostile", latency_ms=100)
    m = mount(server, refresh=600)
    cold = {q: under(m, q) for q in ("filename=a", "filename=1", "type=image",
                                     "status=ready")}
    m.wait_complete()
    for query, names in cold.items():
        assert under(m, query) == names


def test_a_cold_query_waits_for_keys_not_seen_yet(standin, mount):
    server = standin(assets=2000)
    server.edit(server.ids()[1000], user_metadata={"rare": "yes"}, novel="v")
    server.latency(100)
    m = mount(server, refresh=600)
    cold = [under(m, q) for q in ("user_metadata.rare=yes", "novel=v")]
    assert [len(names) for names in cold] == [1, 1]
    assert not (m.path / "nosuchkey=1").exists()


def test_a_cold_malformed_query_waits_for_nothing(standin, mount):
    server = standin(assets=2000)
    server.fault("stall", match={"kind": "list", "nth": 2, "count": -1})
    m = mount(server, refresh=600, timeout=600)
    for name in ("type=cinema", "novel=%ZZ", "filename=", "size=big.."):
        assert not (m.path / name).exists()
    assert m.status()["complete"] is False


@pytest.mark.skipif(sanitizing.sanitizers_of(BUILD) != "none",
                    reason="sanitizers keep what was freed for a while")
def test_ten_thousand_views_are_forgotten(plain):
    _, m, _ = plain

    def resident():
        """The daemon's own memory; mapped pages of the cache come and go."""
        with open(f"/proc/{m.process.pid}/status") as status:
            line = next(l for l in status if l.startswith("RssAnon:"))
        return int(line.split()[1]) * 1024

    def enter(count, salt):
        for i in range(count):
            os.path.isdir(m.path / f"filename={salt}{i}")

    enter(2000, "warm")
    drop_caches()
    before = resident()
    enter(10000, "view")
    drop_caches()
    # The kernel forgets in its own time, and seldom all at once.
    within(20, lambda: drop_caches() or resident() - before <= 1 << 20,
           "1 MB or less")


EVERYTHING = "type=video,image,audio,document,other"


def names_of(scan, count=None):
    """The next names of an os.scandir, all of them without a count."""
    return [e.name for _, e in zip(range(count or 10**9), scan)]


def begin_many(m, count, first=0):
    """Query directories of their own, each begun by a reader and left."""
    for i in range(first, first + count):
        with os.scandir(m.path / f"size={i}..") as scan:
            next(scan)


def test_a_reader_that_pauses_leaves_no_part_to_others(standin, mount):
    """Whoever goes on after his selection gave way, at the same version."""
    m = mount(standin(assets=3000), refresh=600)
    m.wait_complete()
    for directory in (EVERYTHING, "size=0..", "size=0../.pictures"):
        whole = sorted(os.listdir(m.path / directory))
        drop_caches()
        slow, slower = (os.scandir(m.path / directory) for _ in range(2))
        shown, later = names_of(slow, 300), names_of(slower, 100)
        begin_many(m, 300)
        shown += names_of(slow, 1000)
        drop_caches()
        assert sorted(os.listdir(m.path / directory)) == whole
        begin_many(m, 300)
        assert sorted(shown + names_of(slow)) == whole
        assert sorted(later + names_of(slower)) == whole


def test_a_reader_is_given_no_older_rows(standin, mount):
    """One begins before a creation and keeps at it, the other after it and
    pauses meanwhile."""
    server = standin(assets=5000)
    m = mount(server, refresh=600)
    m.wait_complete()
    before = os.scandir(m.path / EVERYTHING)
    old = names_of(before, 500)
    server.create(300, fields={"filename": "late.mp4", "status": "ready",
                               "file_type": "video/mp4"}, status="ready")
    m.refresh()
    after = os.scandir(m.path / EVERYTHING)
    new = names_of(after, 500)
    for i in range(12):
        begin_many(m, 10 if i < 3 else 60, first=100 * i)
        old += names_of(before, 250)
        if i == 3:
            new += names_of(after, 500)
    new += names_of(after)
    old += names_of(before)
    assert len(set(new)) == len(new) == 5300
    assert len(set(old)) == len(old) >= 5000


def test_lines_are_read_though_many_files_were_opened(standin, mount):
    m = mount(standin(assets=300), refresh=600)
    m.wait_complete()
    with open(m.path / EVERYTHING / ".assets.ndjson", "rb") as lines:
        head = lines.read(1)
        for i in range(300):
            assert (m.path / f"size={i}.." / ".assets.ndjson").stat().st_size
        drop_caches("1")
        text = head + lines.read()
    assert len([json.loads(line) for line in text.splitlines()]) == 300


def drop_caches(what="2"):
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write(what)
