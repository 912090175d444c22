# SPDX-License-Identifier: MIT
"""rmdir of an asset's folder deletes the asset, where delete= says so; nothing
else ever does."""
import concurrent.futures
import errno
import json
import os
import shutil
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S
from waiting import within

KINDS = ("video", "image", "audio", "document")


def create(server, name="one.mp4", **fields):
    return server.create(fields={"filename": name, "file_type": "video/mp4",
                                 **fields})[0]


def errno_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


def deletions(server):
    return server.stats()["requests"]["delete"]


def journal(m):
    """Its lines, as the cache has them."""
    found = list((m.home / "cache").glob("*/deleted.ndjson"))
    return [json.loads(line) for f in found for line in f.read_text().splitlines()]


def deleted(m, *options):
    said = subprocess.run([BINARY, "deleted", *options, m.path], text=True,
                          capture_output=True, timeout=PATIENCE_S)
    assert said.returncode == 0, said.stderr
    return said.stdout


def ready(standin, mount, assets=20, **options):
    server = standin(assets=assets)
    m = mount(server, rw=True, refresh=600, **options)
    m.wait_complete()
    return server, m


@pytest.fixture
def safe(standin, mount):
    return ready(standin, mount, delete="safe")


def arrive(server, m, **fields):
    asset = create(server, **fields)
    m.refresh()
    return asset


@pytest.mark.parametrize("place", ["video", ".id"])
@pytest.mark.parametrize("quirk", ["204", "empty", "object"])
def test_rmdir_deletes_the_asset_and_keeps_its_metadata(safe, place, quirk):
    server, m = safe
    server.quirk(delete_answer=quirk)
    asset = arrive(server, m, user_metadata={"big": 9007199254740993})
    whole = json.loads(server.raw(asset))
    folder = m.path / place / ("one.mp4" if place == "video" else asset)
    assert errno_of(os.rmdir, folder) == 0
    assert asset not in server.ids()
    assert not (m.path / "video" / "one.mp4").exists()
    assert "one.mp4" not in os.listdir(m.path / "video")
    begun, ended = journal(m)
    assert begun["deleting"] == ended["deleted"] == asset
    assert begun["metadata"] == whole
    assert begun["force"] is False and ended["outcome"] == "gone"
    assert "gone" in deleted(m) and asset in deleted(m)
    assert [json.loads(l) for l in deleted(m, "--json").splitlines()] == \
        [begun, ended]
    assert "deleting" in m.log() and deletions(server) == 1
    m.refresh()
    assert errno_of(os.rmdir, folder) in (errno.ENOENT, errno.EBUSY)


def test_by_default_nothing_is_deleted(standin, mount):
    server, m = ready(standin, mount)
    arrive(server, m)
    assert errno_of(os.rmdir, m.path / "video" / "one.mp4") == errno.EPERM
    assert deletions(server) == 0


def test_delete_needs_rw(standin, mount, tmp_path):
    said = subprocess.run([BINARY, "-o", "delete=safe", tmp_path], text=True,
                          capture_output=True)
    assert said.returncode == 2 and "rw" in said.stderr
    said = subprocess.run([BINARY, "-o", "rw,delete=yes", tmp_path], text=True,
                          capture_output=True)
    assert said.returncode == 2 and "safe, force" in said.stderr


def test_only_an_assets_own_place_can_be_removed(safe):
    server, m = safe
    arrive(server, m)
    os.symlink("filename=one", m.path / "saved")
    before = server.count()
    for path in ("filename=one/one.mp4", "saved/one.mp4", "video/status=ready",
                 "filename=one", "video", ".id", ".media", ".twelvefs",
                 "video/.pictures"):
        assert errno_of(os.rmdir, m.path / path) in (
            errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EACCES), path
    assert errno_of(os.rmdir, m.path / "video/no-such") == errno.ENOENT
    assert errno_of(os.rename, m.path / "video/one.mp4",
                    m.path / "video/two.mp4") == errno.EROFS
    assert deletions(server) == 0 and server.count() == before


def test_what_is_in_use_stays_unless_forced(standin, mount):
    server, m = ready(standin, mount, delete="safe")
    asset = arrive(server, m)
    server.in_use(asset)
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.EBUSY
    assert asset in server.ids()
    assert journal(m)[-1]["outcome"] == "kept"
    m.stop()
    forced = mount(server, rw=True, refresh=600, delete="force")
    forced.wait_complete()
    assert errno_of(os.rmdir, forced.path / "video/one.mp4") == 0
    assert asset not in server.ids()


def test_who_is_gone_already_is_gone(safe):
    server, m = safe
    asset = arrive(server, m)
    server.delete(asset)
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    assert not (m.path / "video/one.mp4").exists()


def test_an_answer_that_is_lost_is_no_harm(safe):
    server, m = safe
    asset = arrive(server, m)
    server.fault("lost_answer", {"kind": "delete", "count": 1})
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    assert asset not in server.ids()
    assert journal(m)[-1]["outcome"] == "gone"


@pytest.mark.parametrize("status,number", [(403, errno.EACCES),
                                           (400, errno.EINVAL)])
def test_a_refusal_is_told(safe, status, number):
    server, m = safe
    arrive(server, m)
    server.fault("status", {"kind": "delete"}, status=status,
                 body='{"code":"c","message":"words of it"}')
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == number
    assert "words of it" in m.log()
    assert "words of it" in journal(m)[-1]["words"]


def test_the_next_of_that_name_does_not_go_by_a_repetition(safe):
    """The younger of two takes the bare name that the deletion set free."""
    server, m = safe
    first = create(server)
    second = arrive(server, m)
    folder = m.path / "video/one.mp4"
    assert json.loads((folder / "metadata.json").read_text())["_id"] == first
    assert errno_of(os.rmdir, folder) == 0
    within(PATIENCE_S, folder.exists)
    assert json.loads((folder / "metadata.json").read_text())["_id"] == second
    assert errno_of(os.rmdir, folder) == errno.EBUSY
    assert server.ids().count(second) == 1 and deletions(server) == 1
    assert "has its name now" in m.log()


DELETERS = {
    "rm -rf": lambda p: subprocess.run(["rm", "-rf", p], capture_output=True),
    "find -delete": lambda p: subprocess.run(["find", p, "-mindepth", "1",
                                              "-delete"], capture_output=True),
    "rmtree": lambda p: shutil.rmtree(p, ignore_errors=True),
    "files, then folders": lambda p: subprocess.run(
        ["sh", "-c", "find \"$1\" ! -type d -exec rm -f {} +;"
         " find \"$1\" -depth -mindepth 1 -type d -exec rmdir {} +", "-", p],
        capture_output=True),
}


@pytest.mark.parametrize("deleter", DELETERS)
@pytest.mark.parametrize("options", [{}, {"delete": "safe"},
                                     {"delete": "force"}])
def test_who_deletes_a_tree_deletes_no_asset(standin, mount, deleter, options):
    server, m = ready(standin, mount, assets=300, delete_rate=100000, **options)
    before = server.ids()
    for kind in KINDS:
        DELETERS[deleter](m.path / kind)
    DELETERS[deleter](m.path)
    assert server.ids() == before
    assert deletions(server) == 0


def test_deletions_keep_their_rate(standin, mount):
    """60 a minute: of 30 at once most can't be done within a second."""
    server, m = ready(standin, mount, assets=200, delete="safe", timeout=1)
    names = sorted(os.listdir(m.path / "video"))[:30]
    before = server.count()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        ends = list(pool.map(errno_of, [os.rmdir] * len(names),
                             [m.path / "video" / n for n in names]))
    assert set(ends) == {0, errno.EAGAIN}, ends
    assert before - server.count() == ends.count(0) == deletions(server)
    assert ends.count(0) <= 12


def end_all(processes, m):
    """None may stay: a request whose lock a notification waits for, while
    that keeps the device open, would be ended by `umount -f` alone."""
    try:
        m.kill()
        for p in processes:
            p.wait(PATIENCE_S)
    finally:
        if any(p.poll() is None for p in [*processes, m.process]):
            subprocess.run(["umount", "-f", m.path], check=False)


def test_a_kill_at_any_moment_ends_all_and_leaves_the_journal_ahead(
        standin, mount, tmp_path):
    """What is gone from the account is in the journal, whole. Each name is
    handed on when its first asset goes, which the kernel is told while others
    hold the directory's lock, or are in line for it."""
    server = standin(assets=0)
    for _ in range(2):
        for i in range(150):
            create(server, f"{i}.mp4")
    cache = tmp_path / "cache"
    objects = {a["_id"]: a for a in server.assets()}
    server.fault("late_answer", {"kind": "delete", "count": -1}, ms=30)
    for turn in range(5):
        m = mount(server, rw=True, refresh=600, delete="safe",
                  delete_rate=100000, cache_dir=cache)
        m.wait_complete()
        gone = len(objects) - server.count()
        rmdirs = [subprocess.Popen(["rmdir", m.path / "video" / f"{i}.mp4"],
                                   stderr=subprocess.DEVNULL)
                  for i in range(turn * 30, turn * 30 + 30)]
        within(PATIENCE_S, lambda: len(objects) - server.count() > gone + 3)
        end_all(rmdirs, m)
        m.stop()
    kept = {}
    for f in cache.glob("*/deleted.ndjson"):
        for line in f.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # cut short by the kill: not sent
            if "deleting" in record:
                kept[record["deleting"]] = record["metadata"]
    lost = set(objects) - set(server.ids())
    assert lost
    for asset in lost:
        assert kept[asset] == objects[asset]


def test_a_cache_that_does_not_stay_is_refused(standin, mount):
    server = standin(assets=3)
    m = Mount(server, wait=False, rw=True, delete="safe",
              cache_dir="/proc/nowhere")
    assert m.process.wait(PATIENCE_S) == 7
    assert "delete=" in m.log()
    m.stop()


def test_a_full_disk_keeps_the_asset(standin, mount, tmp_path):
    """Without its line in the journal nothing is asked."""
    server, m = ready(standin, mount, delete="safe",
                      cache_dir=tmp_path / "cache")
    asset = arrive(server, m)
    (directory,) = (tmp_path / "cache").iterdir()
    os.symlink("/dev/full", directory / "deleted.ndjson")
    assert errno_of(os.rmdir, m.path / "video/one.mp4") != 0
    (directory / "deleted.ndjson").unlink()
    (directory / "deleted.ndjson").mkdir()
    assert errno_of(os.rmdir, m.path / "video/one.mp4") != 0
    assert asset in server.ids() and deletions(server) == 0
    (directory / "deleted.ndjson").rmdir()
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    assert asset not in server.ids()


def test_an_older_answer_does_not_bring_it_back(safe):
    """A page that was asked for before the deletion comes in after it."""
    server, m = safe
    asset = arrive(server, m)
    server.fault("late_answer", {"kind": "list"}, ms=60000)
    lists = server.stats()["requests"]["list"]
    # A process of its own: Python's ioctl keeps its lock.
    refresh = subprocess.Popen([BINARY, "refresh", m.path],
                               stdout=subprocess.DEVNULL)
    server.wait("list", lists + 1)
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    server.clear_faults()
    assert refresh.wait(PATIENCE_S) == 0
    assert "one.mp4" not in os.listdir(m.path / "video")
    assert not (m.path / ".id" / asset).exists()
