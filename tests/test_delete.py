# SPDX-License-Identifier: MIT
"""rmdir of an asset's folder deletes the asset, where delete= says so; nothing
else ever does."""
import concurrent.futures
import errno
import json
import os
import shutil
import signal
import stat
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
    assert said.returncode == 2 and "without write" in said.stderr
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


def test_nor_by_one_of_what_failed_halfway(standin, mount):
    """It went though its answer never came, a poll hands its name on, and
    whoever was told of a failure tries again."""
    server, m = ready(standin, mount, delete="safe", timeout=2)
    first = create(server)
    second = arrive(server, m)
    folder = m.path / "video/one.mp4"
    server.fault("late_answer", {"kind": "delete", "count": 1}, ms=60000)
    assert errno_of(os.rmdir, folder) == errno.ETIMEDOUT
    assert first not in server.ids()
    assert "may have been done" in m.log()
    assert journal(m)[-1]["outcome"] == "unknown"
    server.clear_faults()
    m.refresh()
    assert json.loads((folder / "metadata.json").read_text())["_id"] == second
    assert errno_of(os.rmdir, folder) == errno.EBUSY
    assert second in server.ids()


def test_what_failed_and_stands_can_be_tried_again(safe):
    server, m = safe
    asset = arrive(server, m)
    server.fault("status", {"kind": "delete", "count": 1}, status=403)
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.EACCES
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    assert asset not in server.ids()


def rimraf(place):
    """As Node's fs.rm: each directory first, what is in it if that fails."""
    try:
        if place.is_symlink() or not place.is_dir():
            place.unlink()
        else:
            place.rmdir()
    except OSError:
        if place.is_dir() and not place.is_symlink():
            for child in place.iterdir():
                rimraf(child)


DELETERS = {
    "each directory first": rimraf,
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
    """3 a minute: one at once, and the next turn is long after the deadlines.
    (A turn just before one would be right to end in ETIMEDOUT.)"""
    server, m = ready(standin, mount, assets=200, delete="safe", delete_rate=3,
                      timeout=5)
    names = sorted(os.listdir(m.path / "video"))[:30]
    before = server.count()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        ends = list(pool.map(errno_of, [os.rmdir] * len(names),
                             [m.path / "video" / n for n in names]))
    assert set(ends) == {0, errno.EAGAIN}, ends
    assert before - server.count() == ends.count(0) == deletions(server) == 1


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


def test_who_gives_up_before_it_is_sent_deletes_nothing(standin, mount):
    """Ctrl-C of one that waits for its turn."""
    server, m = ready(standin, mount, delete="safe", delete_rate=1, timeout=300)
    create(server)
    second = arrive(server, m, name="two.mp4")
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    waiting = subprocess.Popen(["rmdir", m.path / "video/two.mp4"],
                               stderr=subprocess.DEVNULL)
    within(PATIENCE_S, lambda: journal(m)[-1].get("deleting") == second)
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(PATIENCE_S) != 0
    end = within(PATIENCE_S, lambda: journal(m)[-1]
                 if "deleted" in journal(m)[-1] else None)
    assert (end["deleted"], end["outcome"]) == (second, "kept")
    assert second in server.ids() and deletions(server) == 1


def journal_file(m):
    (directory,) = (m.home / "cache").iterdir()
    return directory / "deleted.ndjson"


def test_a_journal_that_is_taken_away_is_begun_anew(safe):
    server, m = safe
    create(server)
    second = arrive(server, m, name="two.mp4")
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    kept = journal_file(m)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    kept.rename(kept.with_suffix(".1"))
    assert deleted(m) == ""
    assert errno_of(os.rmdir, m.path / "video/two.mp4") == 0
    assert [line.get("deleting") for line in journal(m)] == [second, None]
    assert second in deleted(m)


def test_a_cache_that_is_taken_away_keeps_the_asset(safe):
    server, m = safe
    create(server)
    second = arrive(server, m, name="two.mp4")
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
    kept = journal_file(m)
    shutil.rmtree(kept.parent)
    assert errno_of(os.rmdir, m.path / "video/two.mp4") == errno.EIO
    assert f"cannot write {kept}" in m.log()
    assert second in server.ids() and deletions(server) == 1


def test_a_journal_that_is_no_file_keeps_the_asset(safe):
    server, m = safe
    asset = arrive(server, m)
    os.mkfifo(journal_file(m))
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.EIO
    subprocess.run([BINARY, "deleted", m.path], capture_output=True,
                   timeout=PATIENCE_S)
    assert asset in server.ids() and deletions(server) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_no_room_for_the_journal_keeps_the_asset(standin, mount, tmp_path):
    """ENOSPC amid the line; with room again it goes, and the line is whole."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", small],
                   check=True)
    try:
        server, m = ready(standin, mount, delete="safe", cache_dir=small / "c")
        asset = arrive(server, m, user_metadata={"k": "v" * 6000})
        (directory,) = (small / "c").iterdir()
        with open(small / "filler", "wb", buffering=0) as filler:
            with pytest.raises(OSError):
                while filler.write(b"x" * 4096) == 4096:
                    pass
        os.truncate(small / "filler",
                    os.stat(small / "filler").st_size // 4096 * 4096 - 4096)
        assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.ENOSPC
        assert asset in server.ids() and deletions(server) == 0
        os.unlink(small / "filler")
        assert errno_of(os.rmdir, m.path / "video/one.mp4") == 0
        lines = (directory / "deleted.ndjson").read_text().splitlines()
        begun, ended = (json.loads(line) for line in lines[-2:])
        assert begun["metadata"]["user_metadata"]["k"] == "v" * 6000
        assert ended["outcome"] == "gone"
        assert asset in deleted(m)
        m.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_an_absence_is_believed_of_the_api_alone(standin, mount):
    """A proxy's page says 404 for anything."""
    server, m = ready(standin, mount, delete="safe", timeout=2)
    asset = arrive(server, m)
    server.fault("status", {"kind": "delete"}, status=404,
                 body="<html>Not Found</html>",
                 headers={"Content-Type": "text/html"})
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.EIO
    assert "one.mp4" in os.listdir(m.path / "video")
    assert asset in server.ids()


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_what_no_path_can_name_is_not_asked_for(safe, name):
    server, m = safe
    server.create(fields={"_id": name, "filename": "odd.mp4",
                          "file_type": "video/mp4"})
    m.refresh()
    before = server.count()
    assert errno_of(os.rmdir, m.path / "video/odd.mp4") == errno.EINVAL
    assert deletions(server) == 0 and server.count() == before


def test_a_days_limit_is_told_and_is_none_on_the_list(safe):
    server, m = safe
    asset = arrive(server, m)
    server.refuse(retry_after=86400, count=-1, kind="delete")
    assert errno_of(os.rmdir, m.path / "video/one.mp4") == errno.EAGAIN
    assert "HTTP 429" in m.log()
    assert journal(m)[-1]["outcome"] == "kept" and asset in server.ids()
    create(server, "late.mp4")
    m.refresh()
    assert "late.mp4" in os.listdir(m.path / "video")


# ---- killed at each stage ----


def wait_for_turn(server, m):
    """In the journal, not sent: it is not its turn yet."""
    create(server, "first.mp4")
    m.refresh()
    assert errno_of(os.rmdir, m.path / "video/first.mp4") == 0
    return lambda asset: journal(m)[-1].get("deleting") == asset


def hold_request(server, m):
    """Sent, and nothing came of it yet."""
    server.fault("stall", {"kind": "delete", "count": 1})
    return lambda asset: deletions(server) == 1


def hold_answer(server, m):
    """Done, and the answer is on its way."""
    server.fault("late_answer", {"kind": "delete"}, ms=60000)
    return lambda asset: asset not in server.ids()


STAGES = {"waits for its turn": (wait_for_turn, False),
          "is under way": (hold_request, False),
          "is done": (hold_answer, True)}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_while_it(standin, mount, tmp_path, stage):
    enter, done = STAGES[stage]
    cache = tmp_path / "cache"
    server, m = ready(standin, mount, delete="safe", delete_rate=1, timeout=300,
                      cache_dir=cache)
    asset = arrive(server, m)
    whole = json.loads(server.raw(asset))
    reached = enter(server, m)
    journal_of = m
    m.home.joinpath("cache").symlink_to(cache)
    rmdir = subprocess.Popen(["rmdir", m.path / "video/one.mp4"],
                             stderr=subprocess.DEVNULL)
    within(PATIENCE_S, lambda: reached(asset))
    m.kill()
    assert rmdir.wait(PATIENCE_S) != 0
    begun = journal(journal_of)[-1]
    assert (begun["deleting"], begun["metadata"]) == (asset, whole)
    m.stop()
    again = mount(server, rw=True, refresh=600, delete="safe", cache_dir=cache)
    again.refresh()
    assert (asset not in server.ids()) == done
    assert ("one.mp4" not in os.listdir(again.path / "video")) == done
    assert any("unknown" in line and asset in line
               for line in deleted(again).splitlines())
    if not done:
        assert errno_of(os.rmdir, again.path / "video/one.mp4") == 0
        assert asset not in server.ids()


# ---- who may ----

EVERY_OPTION = {"allow_other": True, "delete_rate": 100000, "umask": "0",
                "uid": 0, "gid": 0, "timeout": 30, "refresh": 1, "rpm": 600,
                "sweep": 1, "picture_cache": "1M", "pictures": "no",
                "log_level": "debug", "noatime": True, "io_uring": True}


@pytest.mark.parametrize("rw", [True, False])
def test_without_delete_nothing_whatever_deletes_any(standin, mount, rw):
    """rm -rf of everything there is, as root, with all other options."""
    server = standin(assets=300)
    m = mount(server, **EVERY_OPTION, **({"rw": True} if rw else {}))
    m.wait_complete()
    before = server.dump()
    (asset, *_) = server.ids()
    for place in (m.path / ".id" / asset, m.path / ".media" / asset,
                  m.path / "filename=a", m.path / "status=ready",
                  m.path / ".id", m.path / ".twelvefs", m.path):
        subprocess.run(["rm", "-rf", place], capture_output=True)
        subprocess.run(["find", place, "-depth", "-type", "d", "-exec",
                        "rmdir", "{}", "+"], capture_output=True)
    assert server.dump() == before
    written = server.stats()["requests"]
    assert written["delete"] == written["metadata"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="asks as other users")
def test_only_the_owner_changes_anything(standin, mount):
    """With allow_other all may look."""
    OWNER, OTHER = 65534, 65533
    server, m = ready(standin, mount, delete="safe", allow_other=True,
                      uid=OWNER, gid=OWNER)
    m.home.chmod(0o711)
    asset = arrive(server, m)
    folder = m.path / "video/one.mp4"

    def run(user, *command):
        return subprocess.run(command, user=user, capture_output=True,
                              text=True, timeout=PATIENCE_S)

    tag = ("setfattr", "-n", "user.twelvelabs.user_metadata.k", "-v", "v",
           folder)
    for command in (tag, ("rmdir", folder), (BINARY, "tag", folder, "k=v"),
                    (BINARY, "deleted", m.path)):
        assert run(OTHER, *command).returncode != 0, command
    assert run(OTHER, "ls", folder).returncode == 0
    requests = server.stats()["requests"]
    assert requests["delete"] == requests["metadata"] == 0
    assert run(OWNER, *tag).returncode == 0
    assert run(OWNER, BINARY, "tag", folder, "l=v").returncode == 0
    assert run(OWNER, "rmdir", folder).returncode == 0
    assert asset not in server.ids()


@pytest.mark.skipif(os.geteuid() != 0, reason="remounts")
@pytest.mark.parametrize("how", ["remount", "bind"])
def test_read_only_by_the_kernel_is_read_only(safe, tmp_path, how):
    server, m = safe
    arrive(server, m)
    top = m.path
    if how == "remount":
        subprocess.run(["mount", "-i", "-o", "remount,ro", top], check=True)
    else:
        top = tmp_path / "bound"
        top.mkdir()
        subprocess.run(["mount", "--bind", "-o", "ro", m.path, top], check=True)
    try:
        folder = top / "video/one.mp4"
        assert errno_of(os.rmdir, folder) == errno.EROFS
        assert errno_of(os.setxattr, folder, "user.twelvelabs.user_metadata.k",
                        b"v") == errno.EROFS
        said = subprocess.run([BINARY, "tag", folder, "k=v"], text=True,
                              capture_output=True)
        assert said.returncode != 0 and "rw" in said.stderr
    finally:
        if how == "bind":
            subprocess.run(["umount", top], check=True)
    requests = server.stats()["requests"]
    assert requests["delete"] == requests["metadata"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="remounts")
def test_read_write_by_the_kernel_alone_changes_nothing(standin, mount):
    server = standin(assets=3)
    create(server)
    m = mount(server, refresh=600)
    m.wait_complete()
    subprocess.run(["mount", "-i", "-o", "remount,rw", m.path], check=True)
    folder = m.path / "video/one.mp4"
    assert errno_of(os.rmdir, folder) == errno.EROFS
    assert errno_of(os.setxattr, folder, "user.twelvelabs.user_metadata.k",
                    b"v") == errno.EROFS
    requests = server.stats()["requests"]
    assert requests["delete"] == requests["metadata"] == 0
