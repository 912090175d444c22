# SPDX-License-Identifier: MIT
"""The watched folder: what is put into it goes up once, byte for byte, or stays
there."""
import hashlib
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S
from waiting import pause, within

KILLS = int(os.environ.get("TWELVEFS_UPLOAD_KILLS", "12"))
FAST = {"settle": "0.1s", "refresh": "0.3s", "upload_recheck": "0.5s",
        "upload_chunks": 200_000}
QUIRKS = {"ready_after_ms": 50, "chunk_size": 65536}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "watched"
    path.mkdir()
    return path


@pytest.fixture
def up(standin, mount, folder):
    """A stand-in and a mount that watches the folder: up(quirk=…), options."""
    def start(quirks=None, **options):
        server = standin(assets=3, quirks={**QUIRKS, **(quirks or {})})
        return server, mount(server, upload=folder, **{**FAST, **options})
    return start


def put(folder, name, data):
    """As a program does it: under another name, then renamed."""
    directory = folder / os.path.dirname(name)
    directory.mkdir(parents=True, exist_ok=True)
    temp = directory / ("." + os.path.basename(name))
    temp.write_bytes(data)
    os.rename(temp, folder / name)
    return hashlib.sha256(data).hexdigest()


def video(seed=0, size=3000):
    return random.Random(seed).randbytes(size)


def arrived(server):
    """{filename: [sha256, …]} of what the account has whole."""
    found = {}
    for one in server.uploads():
        found.setdefault(one["filename"], []).append(one["sha256"])
    return found


def done(folder, name):
    return (folder / ".done" / name).exists()


def wait_done(folder, *names):
    within(PATIENCE_S, lambda: all(done(folder, n) for n in names),
           f"{names} in .done/")


def uploads(m):
    return m.status()["upload"]


def requests(server):
    return server.stats()["requests"]


def assert_once(server, folder, sums, left=()):
    """Each file exactly once in the account, byte for byte, or in the folder."""
    found = arrived(server)
    for name, digest in sums.items():
        base = os.path.basename(name)
        if name in left:
            assert (folder / name).is_file()
            continue
        assert found.get(base) == [digest], (name, found.get(base))
    assert sum(map(len, found.values())) == len(sums) - len(left)


def test_kills_at_random_moments(standin, folder, tmp_path):
    """Files, small and in chunks; the daemon is killed again and again."""
    random.seed(7)
    server = standin(assets=3, quirks=QUIRKS)
    for seed, kind in enumerate(("create", "session_create", "chunk",
                                 "report")):  # moments that last
        server.fault("late_answer", {"kind": kind, "probability": 0.5,
                                     "count": -1, "seed": seed}, ms=300)
    count = 50
    sums = {}
    given = 0
    cache = tmp_path / "cache"
    for kill in range(KILLS + 1):
        m = Mount(server, upload=folder, cache_dir=cache, **FAST)
        try:
            part = count * (kill + 1) // (KILLS + 1) - given
            for n in range(given, min(count, given + part)):
                size = random.choice([1, 3000, 60_000, 250_000, 700_000])
                name = f"clip-{n}.mp4"
                sums[name] = put(folder, name, video(n, size) +
                                 n.to_bytes(4, "big"))
            given = len(sums)
            if kill < KILLS:
                pause(random.uniform(0.1, 0.8))
                m.kill()
            else:
                within(PATIENCE_S * 3,
                       lambda: all(done(folder, n) for n in sums), "all")
        finally:
            m.stop()
    looks = sum("filename=" in line["path"] for line in server.log())
    print(f"{KILLS} kills: {looks} looks, "
          f"{requests(server)['session_status']} sessions resumed, "
          f"{requests(server)['create']} posts")
    if KILLS >= 50:  # or they came at no moment that matters
        assert looks and requests(server)["session_status"]
    assert_once(server, folder, sums)
    for name, digest in sums.items():
        kept = (folder / ".done" / name).read_bytes()
        assert hashlib.sha256(kept).hexdigest() == digest
    assert server.stats()["key_leaks"] == 0


@pytest.mark.parametrize("kind, size", [
    ("create", 3000), ("session_create", 400_000), ("chunk", 400_000),
    ("report", 400_000)])
@pytest.mark.parametrize("done_before", [True, False])
def test_a_kill_at_each_stage(standin, mount, folder, tmp_path, kind, size,
                              done_before):
    """The server has done what it was asked, or not even read it, and has not
    said so when the daemon is killed."""
    server = standin(assets=3, quirks=QUIRKS)
    m = mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    server.fault("late_answer" if done_before else "stall", {"kind": kind},
                 ms=600_000)
    digest = put(folder, "a.mp4", video(1, size))
    server.wait(kind, 1)
    if kind == "create" and done_before:
        within(PATIENCE_S, server.uploads)
    m.kill()
    m.stop()
    server.clear_faults()
    mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_kill_while_it_is_processed(standin, mount, folder, tmp_path):
    server = standin(assets=3, quirks={**QUIRKS, "ready_after_ms": -1})
    m = mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    digest = put(folder, "a.mp4", video(1))
    within(PATIENCE_S, lambda: uploads(m)["processing"] == 1)
    m.kill()
    m.stop()
    server.settle()
    mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_an_asset_that_is_deleted_before_it_is_ready_leaves_the_file(up, folder):
    server, m = up({"ready_after_ms": -1})
    put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: uploads(m)["processing"] == 1)
    server.delete(server.uploads()[0]["asset_id"])
    within(PATIENCE_S, (folder / "a.mp4.error").exists)
    assert (folder / "a.mp4").read_bytes() == video()


def test_a_file_goes_up_and_is_put_away(up, folder):
    server, m = up()
    sums = {"one.mp4": put(folder, "one.mp4", video(1)),
            "two.mp4": put(folder, "two.mp4", video(2, 400_000)),
            "three.jpg": put(folder, "three.jpg", b"\xff\xd8\xff" + video(3))}
    wait_done(folder, *sums)
    assert_once(server, folder, sums)
    methods = {u["filename"]: u["method"] for u in server.uploads()}
    assert methods == {"one.mp4": "direct", "two.mp4": "multipart",
                       "three.jpg": "direct"}
    within(PATIENCE_S, lambda: (folder / "one.mp4").is_symlink())
    metadata = json.loads((folder / "one.mp4/metadata.json").read_text())
    assert metadata["filename"] == "one.mp4"
    assert len(metadata["user_metadata"]["twelvefs_upload"]) == 32
    assert metadata["hls"] and metadata["thumbnail"]
    assert (folder / ".done/one.mp4").read_bytes() == video(1)
    within(PATIENCE_S, lambda: uploads(m)["done"] == 3)
    assert server.stats()["key_leaks"] == 0
    assert (m.path / "video/one.mp4").is_dir()


@pytest.mark.parametrize("way, kept, link", [("keep", True, False),
                                             ("remove", False, False)])
def test_what_becomes_of_a_file_that_is_up(up, folder, way, kept, link):
    server, m = up(upload_done=way)
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: not os.path.lexists(folder / "a.mp4"))
    assert done(folder, "a.mp4") == kept
    assert arrived(server) == {"a.mp4": [digest]}


def test_nothing_is_put_away_before_it_is_ready(up, folder):
    server, m = up({"ready_after_ms": -1})
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: uploads(m)["processing"] == 1)
    m.refresh()
    assert (folder / "a.mp4").is_file() and not done(folder, "a.mp4")
    server.settle()
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_file_of_another_size_is_not_put_away(up, folder):
    server, m = up({"ready_after_ms": -1})
    put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: uploads(m)["processing"] == 1)
    asset = server.uploads()[0]["asset_id"]
    server.status(asset, "ready", {"size": 17})
    within(PATIENCE_S, (folder / "a.mp4.error").exists)
    assert "17 bytes" in (folder / "a.mp4.error").read_text()
    assert (folder / "a.mp4").is_file()


def test_a_refusal_that_comes_later_leaves_the_file(up, folder):
    server, m = up({"refusal": "later"})
    put(folder, "a.mp4", b"BROKEN")
    within(PATIENCE_S, (folder / "a.mp4.error").exists)
    assert (folder / "a.mp4").read_bytes() == b"BROKEN"
    within(PATIENCE_S, lambda: uploads(m)["failed"] == 1)


def test_a_refusal_at_once_is_said_and_ends_with_a_change(up, folder):
    server, m = up()
    put(folder, "a.mp4", b"BROKEN")
    note = folder / "a.mp4.error"
    within(PATIENCE_S, note.exists)
    assert "broken" in note.read_text()
    shown = within(PATIENCE_S, lambda: uploads(m)["failed_now"])[0]
    assert shown["name"] == "a.mp4" and "broken" in shown["words"]
    assert requests(server)["create"] == 1
    digest = put(folder, "a.mp4", video())
    wait_done(folder, "a.mp4")
    assert not note.exists() and arrived(server) == {"a.mp4": [digest]}


def test_a_note_that_is_removed_has_it_tried_again(up, folder):
    server, m = up()
    put(folder, "a.mp4", b"BROKEN")
    within(PATIENCE_S, (folder / "a.mp4.error").exists)
    (folder / "a.mp4.error").unlink()
    server.wait("create", 2)
    within(PATIENCE_S, (folder / "a.mp4.error").exists)


@pytest.mark.parametrize("name, data, words", [
    ("a.xyz", b"x", "extension"), ("noext", b"x", "extension"),
    ("a.mp4", b"", "empty"), ("a.pdf", b"text", ".pdf"),
    ("a.txt", b"a\0b", "NUL")])
def test_what_cannot_work_is_said_at_once(up, folder, name, data, words):
    server, m = up()
    put(folder, name, data)
    note = folder / (name + ".error")
    within(PATIENCE_S, note.exists)
    assert words in note.read_text()
    assert (folder / name).read_bytes() == data
    assert requests(server)["create"] == requests(server)["session_create"] == 0


@pytest.mark.parametrize("name, size, words", [
    ("a.jpg", 32_000_001, "32 MB"), ("a.txt", 200_000_001, "200 MB"),
    ("a.mp4", 10_000_000_001, "10 GB")])
def test_what_is_too_large_is_said_at_once(up, folder, name, size, words):
    server, m = up()
    with open(folder / ".new", "wb") as f:
        f.truncate(size)
    os.rename(folder / ".new", folder / name)
    note = folder / (name + ".error")
    within(PATIENCE_S, note.exists)
    assert words in note.read_text()
    assert requests(server)["create"] == requests(server)["session_create"] == 0


def test_a_note_replaces_nobody_elses_file(up, folder):
    (folder / "a.xyz.error").write_text("mine")
    server, m = up()
    put(folder, "a.xyz", b"x")
    within(PATIENCE_S, lambda: uploads(m)["failed"] == 1)
    assert (folder / "a.xyz.error").read_text() == "mine"


NAMES = [b"-rf.mp4", b"new\nline.mp4", b"bad\xff\xfe.mp4", b"sp ace.mp4",
         b'quo"te\\.mp4', b"%41&x=y?#.mp4", "ü日本.mp4".encode(),
         b"n" * 251 + b".mp4", b"*.mp4", b"\r\nX-Evil: 1.mp4", b"$(touch x).mp4"]


def test_hostile_names(up, folder):
    server, m = up()
    sums = {}
    for n, name in enumerate(NAMES):
        data = video(100 + n)
        with open(os.path.join(os.fsencode(folder), b".t"), "wb") as f:
            f.write(data)
        os.rename(os.path.join(os.fsencode(folder), b".t"),
                  os.path.join(os.fsencode(folder), name))
        sums[name.decode(errors="replace")] = hashlib.sha256(data).hexdigest()
    kept = os.path.join(os.fsencode(folder), b".done")
    within(PATIENCE_S, lambda: os.path.exists(kept) and
           set(os.listdir(kept)) == set(NAMES), "all of them")
    found = {u["filename"]: u["sha256"] for u in server.uploads()}
    assert found == sums
    listed = subprocess.run([BINARY, "uploads", "--json", m.path],
                            capture_output=True, timeout=PATIENCE_S)
    assert [json.loads(l)["state"] for l in listed.stdout.splitlines()] == \
        ["done"] * len(NAMES)


def test_only_regular_files_go_up(up, folder, tmp_path):
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(video(9))
    os.symlink(secret, folder / "link.mp4")
    os.symlink("/nowhere", folder / "dangling.mp4")
    os.symlink(tmp_path, folder / "linked")
    os.mkfifo(folder / "fifo.mp4")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "s.mp4"))
    server, m = up()
    digest = put(folder, "z.mp4", video())
    wait_done(folder, "z.mp4")
    assert arrived(server) == {"z.mp4": [digest]}
    assert uploads(m)["waiting"] == uploads(m)["failed"] == 0
    assert (folder / "link.mp4").is_symlink() and secret.exists()
    listener.close()


def test_a_hard_link_elsewhere_stays(up, folder, tmp_path):
    other = tmp_path / "other.mp4"
    other.write_bytes(video(4))
    server, m = up()
    os.link(other, folder / "a.mp4")
    wait_done(folder, "a.mp4")
    assert other.read_bytes() == video(4)
    assert len(server.uploads()) == 1


@pytest.mark.parametrize("name", [".hidden.mp4", "a.mp4.part", "a.crdownload",
                                  "a.tmp", "a.mp4~", "b.error"])
def test_names_that_wait_for_their_rename(up, folder, name):
    server, m = up()
    (folder / name).write_bytes(video(1))
    digest = put(folder, "z.mp4", video())
    wait_done(folder, "z.mp4")
    assert arrived(server) == {"z.mp4": [digest]}
    os.rename(folder / name, folder / "a.mp4")
    wait_done(folder, "a.mp4")


def test_what_somebody_writes_waits(up, folder):
    server, m = up()
    with open(folder / "a.mp4", "wb") as f:
        f.write(video(1))
        f.flush()
        within(PATIENCE_S, lambda: "a.mp4" in os.listdir(folder) and
               "writing" in uploads_text(m))
        assert server.uploads() == []
        f.write(b"the rest")
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [
        hashlib.sha256(video(1) + b"the rest").hexdigest()]}


def uploads_text(m, *options):
    said = subprocess.run([BINARY, "uploads", *options, m.path], text=True,
                          capture_output=True, timeout=PATIENCE_S)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_directories_and_tags(up, folder):
    server, m = up()
    put(folder, "sub/deep/a.mp4", video(1))
    put(folder, "user_metadata.team=red/user_metadata.take=7/b.mp4", video(2))
    put(folder, ".hidden/c.mp4", video(3))
    wait_done(folder, "a.mp4", "b.mp4")
    tags = {a["filename"]: a["user_metadata"] for a in server.assets()
            if "twelvefs_upload" in a.get("user_metadata", {})}
    assert set(tags) == {"a.mp4", "b.mp4"}
    del tags["b.mp4"]["twelvefs_upload"]
    assert tags["b.mp4"] == {"team": "red", "take": 7}


def test_the_same_bytes_are_one_asset(up, folder):
    server, m = up()
    digest = put(folder, "a.mp4", video())
    put(folder, "b.mp4", video())
    wait_done(folder, "a.mp4", "b.mp4")
    put(folder, "c.mp4", video())
    wait_done(folder, "c.mp4")
    assert sum(map(len, arrived(server).values())) == 1
    assert list(arrived(server).values()) == [[digest]]


def test_the_same_bytes_twice_where_that_is_wanted(up, folder):
    server, m = up(upload_twice=True)
    digest = put(folder, "a.mp4", video())
    put(folder, "b.mp4", video())
    wait_done(folder, "a.mp4", "b.mp4")
    assert arrived(server) == {"a.mp4": [digest], "b.mp4": [digest]}


def test_bytes_whose_asset_was_deleted_go_up_again(up, folder):
    server, m = up()
    put(folder, "a.mp4", video())
    wait_done(folder, "a.mp4")
    server.delete(server.uploads()[0]["asset_id"])
    within(PATIENCE_S, lambda: m.refresh() is not None and
           not (m.path / "video/a.mp4").exists())
    put(folder, "b.mp4", video())
    wait_done(folder, "b.mp4")
    assert set(arrived(server)) == {"a.mp4", "b.mp4"}


# What goes wrong on the way


@pytest.mark.parametrize("fault", [
    ("lost_answer", {}), ("status", {"status": 503}),
    ("status", {"status": 500}), ("late_answer", {"ms": 300}), ("reset", {}),
    ("html", {}), ("garbage", {}), ("empty", {}), ("truncate", {})])
def test_a_post_whose_answer_is_lost_is_no_second_asset(up, folder, fault):
    server, m = up()
    kind, more = fault
    server.fault(kind, {"kind": "create", "count": 1}, **more)
    digest = put(folder, "a.mp4", video())
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_an_asset_that_shows_late_is_found_by_the_second_look(up, folder):
    """The answer is lost, and the list doesn't show it yet."""
    server, m = up(upload_recheck="3s")
    server.fault("lost_answer", {"kind": "create", "count": 1})
    server.quirk(stale_frozen=1)
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: "nobody knows" in m.log())
    seen = requests(server)["list"]
    server.wait("answered.list", seen + 1)
    server.quirk(stale_frozen=0)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


@pytest.mark.parametrize("fault", [
    ("lost_answer", {}), ("status", {"status": 503}), ("reset", {})])
@pytest.mark.parametrize("kind", ["session_create", "chunk", "report", "urls"])
def test_chunks_whose_answer_is_lost(up, folder, kind, fault):
    server, m = up({"first_urls": 2})
    what, more = fault
    server.fault(what, {"kind": kind, "count": 1}, **more)
    digest = put(folder, "a.mp4", video(1, 400_000))
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


@pytest.mark.parametrize("quirk", [
    {"etag": "absent"}, {"etag": "bare"}, {"etag": "weak"}, {"first_urls": 0},
    {"first_urls": 1}, {"url_spent": "attempt"}, {"upload_headers": "required"},
    {"session_lag": 1}, {"multipart_listed": "complete"},
    {"multipart": "refused"}, {"create_status": "ready"}, {"chunk_size": 1 << 20},
    {"url_reuse": "allowed"}, {"empty_metadata": "absent"}])
def test_every_way_that_chunks_may_be_taken(up, folder, quirk):
    server, m = up(quirk)
    sums = {"a.mp4": put(folder, "a.mp4", video(1, 400_000)),
            "b.mp4": put(folder, "b.mp4", video(2))}
    wait_done(folder, *sums)
    assert_once(server, folder, sums)


def stalled_chunks(server, folder, m, size=400_000):
    """Chunks are under way, and stay so until the faults are cleared."""
    server.fault("late_answer", {"kind": "chunk", "nth": 3}, ms=60_000)
    digest = put(folder, "a.mp4", video(1, size))
    server.wait("chunk", 4)
    return digest


def test_urls_that_expire(up, folder):
    server, m = up()
    digest = stalled_chunks(server, folder, m)
    server.expire_urls()
    server.clear_faults()
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_session_that_expires(up, folder):
    server, m = up()
    digest = stalled_chunks(server, folder, m)
    server.expire_sessions()
    server.clear_faults()
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}
    assert requests(server)["session_create"] == 2


def test_an_unmount_loses_nothing_and_the_next_mount_goes_on(up, folder,
                                                             standin, mount,
                                                             tmp_path):
    server, m = up(cache_dir=tmp_path / "cache")
    server.fault("stall", {"kind": "chunk", "nth": 4})
    digest = put(folder, "a.mp4", video(1, 1_000_000))
    server.wait("chunk", 5)
    within(PATIENCE_S, lambda: uploads(m)["sending"] == 1)
    m.stop()
    server.clear_faults()
    before = requests(server)
    mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}
    assert requests(server)["session_create"] == 1
    chunks = 1_000_000 // 65536 + 1
    assert requests(server)["chunk"] - before["chunk"] < chunks


def test_a_session_that_ended_while_nothing_was_mounted(up, folder, mount,
                                                        tmp_path):
    server, m = up(cache_dir=tmp_path / "cache")
    digest = stalled_chunks(server, folder, m)
    m.stop()
    server.expire_sessions()
    server.clear_faults()
    mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_change_while_it_goes_up_starts_over(up, folder):
    """The server reads no more until the file has changed: of the first
    version it never has the whole."""
    server, m = up(upload_chunks=1_000_000_000)
    put(folder, "a.mp4", video(1, 24_000_000))
    server.wait("create", 1)
    server.suspend()
    within(PATIENCE_S, lambda: uploads(m)["sending"] == 1)
    with open(folder / "a.mp4", "r+b") as f:
        f.write(b"other bytes")
    server.resume()
    data = b"other bytes" + video(1, 24_000_000)[11:]
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [hashlib.sha256(data).hexdigest()]}


def test_a_change_between_chunks_starts_over(up, folder):
    server, m = up()
    stalled_chunks(server, folder, m)
    with open(folder / "a.mp4", "r+b") as f:
        f.write(b"other bytes")
    server.clear_faults()
    data = b"other bytes" + video(1, 400_000)[11:]
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [hashlib.sha256(data).hexdigest()]}


@pytest.mark.parametrize("kind, size", [("create", 3000), ("report", 200_000)])
def test_a_mode_that_changes_before_the_answer_is_no_second_asset(
        up, folder, kind, size):
    server, m = up()
    server.fault("late_answer", {"kind": kind, "count": 1}, ms=600_000)
    digest = put(folder, "a.mp4", video(1, size))
    within(PATIENCE_S, server.uploads)
    os.chmod(folder / "a.mp4", 0o640)
    put(folder, "other.mp4", video(2))
    wait_done(folder, "other.mp4")  # it was looked through since
    server.clear_faults()
    wait_done(folder, "a.mp4")
    assert arrived(server)["a.mp4"] == [digest]
    assert len(server.uploads()) == 2


def test_a_rename_before_the_answer_is_no_second_asset(up, folder):
    server, m = up()
    server.fault("late_answer", {"kind": "create", "count": 1}, ms=600_000)
    digest = put(folder, "a.mp4", video(1))
    within(PATIENCE_S, server.uploads)
    os.rename(folder / "a.mp4", folder / "b.mp4")
    wait_done(folder, "b.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_file_replaced_while_it_goes_up(up, folder):
    server, m = up()
    stalled_chunks(server, folder, m)
    digest = put(folder, "a.mp4", video(5, 300_000))
    server.clear_faults()
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_file_that_is_taken_away_again(up, folder):
    server, m = up()
    stalled_chunks(server, folder, m)
    (folder / "a.mp4").unlink()
    within(PATIENCE_S, lambda: uploads(m)["sending"] == 0)
    server.clear_faults()
    digest = put(folder, "b.mp4", video(2))
    wait_done(folder, "b.mp4")
    assert arrived(server) == {"b.mp4": [digest]}


@pytest.mark.parametrize("kind, size", [("create", 3000),
                                        ("session_create", 400_000)])
def test_a_days_limit_is_a_state_and_none_of_the_lists(up, folder, kind, size):
    server, m = up()
    server.refuse(429, 86400, count=-1, kind=kind)
    put(folder, "a.mp4", video(1, size))
    server.wait(kind, 1)
    within(PATIENCE_S, lambda: uploads(m)["waits_until"])
    status = uploads(m)
    assert status["waiting"] == 1 and status["failed"] == 0
    assert "waiting until" in subprocess.run(
        [BINARY, "status", m.path], text=True, capture_output=True).stdout
    asset = server.create(fields={"filename": "new.mp4",
                                  "file_type": "video/mp4"})[0]
    m.refresh()
    assert (m.path / ".id" / asset).exists()
    assert m.status()["last_error"] is None
    assert requests(server)[kind] == 1
    assert (folder / "a.mp4").is_file()


@pytest.mark.parametrize("form", ["402", "400"])
def test_no_credit_drops_no_file(up, folder, form):
    server, m = up({"no_credit": form})
    put(folder, "a.mp4", video(1))
    put(folder, "b.mp4", video(2, 400_000))
    within(PATIENCE_S, lambda: uploads(m)["waits_until"])
    within(PATIENCE_S, lambda: uploads(m)["waiting"] == 2)
    assert uploads(m)["failed"] == 0
    assert (folder / "a.mp4").is_file() and (folder / "b.mp4").is_file()


def test_a_key_that_is_refused_and_changed(standin, mount, folder, tmp_path):
    server = standin(assets=3, quirks=QUIRKS)
    key = tmp_path / "key"
    key.write_text(server.key)
    key.chmod(0o600)
    m = mount(server, upload=folder, key_file=key, **FAST)
    key.write_text("revoked")
    m.process.send_signal(signal.SIGHUP)
    within(PATIENCE_S, lambda: "read the API key again" in m.log())
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: uploads(m)["waits_until"])
    within(PATIENCE_S, lambda: uploads(m)["waiting"] == 1)
    assert (folder / "a.mp4").is_file()
    key.write_text(server.key)
    m.process.send_signal(signal.SIGHUP)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


# The folder itself


def test_two_on_one_folder(up, folder, tmp_path):
    server, m = up()
    second = Mount(server, wait=False, upload=folder,
                   cache_dir=tmp_path / "other", **FAST)
    assert second.process.wait(PATIENCE_S) == 7
    assert "another twelvefs watches it" in second.log()
    second.stop()


@pytest.mark.parametrize("where", ["missing", "file", "in the mount", "mount",
                                   "cache"])
def test_folders_that_cannot_be_watched(standin, tmp_path, where):
    server = standin(assets=3)
    m = Mount(server, wait=False, upload="/nowhere/x")
    if where != "missing":
        m.process.wait(PATIENCE_S)
        m.options["upload"] = {
            "file": "/etc/passwd", "in the mount": m.path / "video",
            "mount": m.path, "cache": m.home}[where]
        m.launch()
    assert m.process.wait(PATIENCE_S) in (2, 7)
    assert "upload=: " in m.log()
    m.stop()


def test_a_folder_that_is_put_away_and_comes_back(up, folder):
    server, m = up()
    stalled_chunks(server, folder, m)
    os.rename(folder, str(folder) + ".away")
    within(PATIENCE_S, lambda: "nothing goes up" in m.log())
    os.rename(str(folder) + ".away", folder)
    server.clear_faults()
    wait_done(folder, "a.mp4")
    assert len(server.uploads()) == 1


def test_another_folder_in_its_place(up, folder):
    server, m = up()
    os.rename(folder, str(folder) + ".away")
    folder.mkdir()
    put(folder, "a.mp4", video())
    wait_done(folder, "a.mp4")
    assert len(server.uploads()) == 1


def test_what_was_there_before_the_mount(standin, mount, folder):
    sums = {f"{n}.mp4": put(folder, f"{n}.mp4", video(n)) for n in range(30)}
    server = standin(assets=3, quirks=QUIRKS)
    mount(server, upload=folder, **FAST)
    wait_done(folder, *sums)
    assert_once(server, folder, sums)


def test_a_done_that_cannot_be_made_leaves_the_file(up, folder):
    os.symlink("/tmp", folder / ".done")
    server, m = up()
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: "stays" in m.log())
    assert (folder / "a.mp4").read_bytes() == video()
    m.stop()
    m.start()
    put(folder, "b.mp4", video(2))
    within(PATIENCE_S, lambda: uploads(m)["done"] == 2)
    assert arrived(server)["a.mp4"] == [digest]


def test_a_damaged_state_is_no_new_beginning(up, folder, mount, tmp_path):
    server, m = up(cache_dir=tmp_path / "cache")
    put(folder, "a.mp4", video())
    wait_done(folder, "a.mp4")
    m.stop()
    (state,) = (tmp_path / "cache").glob("*/uploads.sqlite")
    state.write_bytes(b"not a database" * 1000)
    second = Mount(server, wait=False, upload=folder,
                   cache_dir=tmp_path / "cache", **FAST)
    assert second.process.wait(PATIENCE_S) == 7
    assert "is damaged" in second.log()
    second.stop()


def limit_files(m, size):
    """As if the disk were full; the log is a file, too, and says no more."""
    _, hard = resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(m.process.pid, resource.RLIMIT_FSIZE,
                     (hard if size is None else size, hard))


def test_a_full_disk_sends_nothing_that_it_could_not_note(up, folder):
    server, m = up()
    limit_files(m, 1)
    sums = {"a.mp4": put(folder, "a.mp4", video(1)),
            "b.mp4": put(folder, "b.mp4", video(2, 400_000))}
    within(PATIENCE_S, lambda: uploads_text(m).count("uploads.sqlite: ") == 2)
    assert requests(server)["create"] == requests(server)["session_create"] == 0
    limit_files(m, None)
    wait_done(folder, *sums)
    assert_once(server, folder, sums)


@pytest.mark.parametrize("kind, size", [("create", 3000),
                                        ("session_create", 400_000),
                                        ("report", 200_000)])
def test_a_full_disk_after_the_sending_is_no_second_asset(up, folder, kind,
                                                          size):
    server, m = up()
    server.fault("late_answer", {"kind": kind, "count": 1}, ms=600_000)
    digest = put(folder, "a.mp4", video(1, size))
    server.wait(kind, 1)
    limit_files(m, 1)
    server.clear_faults()
    within(PATIENCE_S, lambda: "uploads.sqlite: " in uploads_text(m))
    limit_files(m, None)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_a_large_file_takes_no_memory(up, folder):
    server, m = up(upload_chunks=1_000_000_000)
    digest = put(folder, "a.mp4", video(1, 150_000_000))
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}
    status = pathlib.Path(f"/proc/{m.process.pid}/status").read_text()
    assert int(status.split("VmHWM:")[1].split()[0]) < 100_000


def test_the_state_outlives_the_catalogue(up, folder, mount, tmp_path):
    server, m = up(cache_dir=tmp_path / "cache")
    server.fault("lost_answer", {"kind": "create", "count": 1})
    server.fault("stall", {"kind": "list", "query_contains": "filename="})
    digest = put(folder, "a.mp4", video())
    within(PATIENCE_S, lambda: "nobody knows" in m.log())
    m.kill()
    m.stop()
    for file in (tmp_path / "cache").glob("*/catalogue.sqlite*"):
        file.write_bytes(b"damaged")
    server.clear_faults()
    mount(server, upload=folder, cache_dir=tmp_path / "cache", **FAST)
    wait_done(folder, "a.mp4")
    assert arrived(server) == {"a.mp4": [digest]}


def test_without_it_nothing_is_different(standin, mount, folder):
    server = standin(assets=3)
    m = mount(server, rw=True, refresh=600)
    put(folder, "a.mp4", video())
    m.refresh()
    assert m.status()["upload"] is None
    assert server.uploads() == [] and (folder / "a.mp4").is_file()
    said = subprocess.run([BINARY, "uploads", m.path], text=True,
                          capture_output=True)
    assert said.returncode == 1 and "upload=DIR" in said.stderr


# Commands


def test_uploads_lists_what_goes_up(up, folder):
    server, m = up({"ready_after_ms": -1})
    put(folder, "a.mp4", video())
    put(folder, "b.xyz", b"x")
    within(PATIENCE_S, lambda: uploads(m)["processing"] == 1 and
           uploads(m)["failed"] == 1)
    text = uploads_text(m)
    assert "processing" in text and "failed" in text and "extension" in text
    lines = [json.loads(l) for l in uploads_text(m, "--json").splitlines()]
    assert {l["path"]: l["state"] for l in lines} == \
        {"a.mp4": "processing", "b.xyz": "failed"}


def test_a_list_longer_than_an_answer(up, folder):
    server, m = up({"no_credit": "402"})
    for n in range(300):
        put(folder, f"{n:03}-{'x' * 80}.mp4", video(n, 10))
    within(PATIENCE_S, lambda: uploads(m)["waiting"] == 300)
    within(PATIENCE_S,
           lambda: len(uploads_text(m, "--json").splitlines()) == 300)


def test_upload_puts_files_up_and_waits(up, folder, tmp_path):
    server, m = up()
    good, bad = tmp_path / "good.mp4", tmp_path / "bad.mp4"
    good.write_bytes(video(1))
    bad.write_bytes(b"BROKEN")
    said = subprocess.run([BINARY, "upload", good, m.path], text=True,
                          capture_output=True, timeout=PATIENCE_S)
    assert (said.returncode, said.stderr) == (0, "")
    assert list(arrived(server)) == ["good.mp4"] and good.exists()
    said = subprocess.run([BINARY, "upload", bad, m.path], text=True,
                          capture_output=True, timeout=PATIENCE_S)
    assert said.returncode == 1 and "broken" in said.stderr
    said = subprocess.run([BINARY, "upload", tmp_path / "no.mp4", m.path],
                          text=True, capture_output=True, timeout=PATIENCE_S)
    assert said.returncode == 2 and "No such file" in said.stderr
