# SPDX-License-Identifier: MIT
"""user_metadata is set and cleared: by setfattr, and for many by twelvefs tag."""
import concurrent.futures
import errno
import json
import os
import signal
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S
from waiting import within

TAG = "user.twelvelabs.user_metadata."


def names(m):
    return sorted(n for n in os.listdir(m.path / "video")
                  if not n.startswith("."))


def one(server, **fields):
    """The id of an asset in video/ under a name of its own."""
    return server.create(fields={"filename": "the one.mp4",
                                 "file_type": "video/mp4",
                                 "user_metadata": {"kept": "as it is"},
                                 **fields})[0]


@pytest.fixture
def tagged(standin, mount):
    server = standin(assets=20)
    asset = one(server)
    m = mount(server, rw=True, refresh=600)
    m.wait_complete()
    return server, m, asset, m.path / "video" / "the one.mp4"


def stored(server, asset):
    return json.loads(server.raw(asset)).get("user_metadata", {})


def changes(server):
    return server.stats()["requests"]["metadata"]


def errno_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


def tag(*words, env=None):
    return subprocess.run([BINARY, "tag", *map(str, words)], text=True,
                          capture_output=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("value,kept", [
    ("sports", "sports"), ("12", 12), ("-0.5", -0.5), ("true", True),
    ("9007199254740993", 9007199254740993), ('"12"', "12"), ("007", "007"),
    ("null", "null"), ("é \"q\" \\ \n", "é \"q\" \\ \n")])
def test_a_value_is_stored_with_its_kind_and_shows_at_once(tagged, value, kept):
    server, m, asset, folder = tagged
    os.setxattr(folder, TAG + "new key", value.encode())
    got = stored(server, asset)
    assert got == {"kept": "as it is", "new key": kept}
    assert type(got["new key"]) is type(kept)
    assert os.getxattr(folder, TAG + "new key").decode() == \
        (value if not value.startswith('"') else kept)
    assert TAG + "new key" in os.listxattr(folder)
    within(PATIENCE_S, lambda: json.loads(
        (folder / "metadata.json").read_text())["user_metadata"] == got)
    assert changes(server) == 1
    assert server.stats()["key_leaks"] == 0


def test_a_key_is_removed_alone(tagged):
    server, m, asset, folder = tagged
    os.setxattr(folder, TAG + "a", b"1")
    os.removexattr(folder, TAG + "a")
    assert stored(server, asset) == {"kept": "as it is"}
    assert errno_of(os.getxattr, folder, TAG + "a") == errno.ENODATA
    assert errno_of(os.removexattr, folder, TAG + "a") == errno.ENODATA
    assert changes(server) == 2


def test_what_cannot_be_set_is_said(tagged):
    server, m, asset, folder = tagged
    before = changes(server)

    def set_it(name, value=b"v", where=folder, flags=0):
        return errno_of(os.setxattr, where, name, value, flags)

    assert set_it(TAG + "k", b"") == errno.EINVAL
    assert set_it(TAG + "k", b'""') == errno.EINVAL
    assert set_it(TAG + "k", b"\xff") == errno.EINVAL
    assert set_it(TAG + "k", b"a\0b") == errno.EINVAL
    assert set_it("user.twelvelabs.filename") == errno.EPERM
    assert set_it("user.twelvelabs.id") == errno.EPERM
    assert set_it("user.other") == errno.EOPNOTSUPP
    assert set_it(TAG + "k", where=m.path / "video") == errno.EPERM
    assert set_it(TAG + "k", where=folder / "metadata.json") in (
        errno.EPERM, errno.EACCES)
    assert set_it(TAG + "kept", flags=os.XATTR_CREATE) == errno.EEXIST
    assert set_it(TAG + "k", flags=os.XATTR_REPLACE) == errno.ENODATA
    assert changes(server) == before
    assert stored(server, asset) == {"kept": "as it is"}


def test_without_rw_nothing_is_set(standin, mount):
    server = standin(assets=3)
    one(server)
    m = mount(server, refresh=600)
    m.wait_complete()
    folder = m.path / "video" / "the one.mp4"
    assert errno_of(os.setxattr, folder, TAG + "k", b"v") == errno.EROFS
    assert errno_of(os.rmdir, folder) == errno.EROFS
    assert "rw" in tag(folder, "k=v").stderr
    assert changes(server) == 0


@pytest.mark.parametrize("quirk", ["empty", "object"])
def test_either_answer_to_a_patch_is_a_success(tagged, quirk):
    server, m, asset, folder = tagged
    server.quirk(metadata_answer=quirk)
    os.setxattr(folder, TAG + "k", b"v")
    assert stored(server, asset)["k"] == "v"


@pytest.mark.parametrize("status,number", [
    (400, errno.EINVAL), (401, errno.EACCES), (403, errno.EACCES),
    (404, errno.ENOENT), (402, errno.EDQUOT)])
def test_a_refusal_is_the_right_errno_with_the_apis_words(tagged, status,
                                                          number):
    server, m, asset, folder = tagged
    server.fault("status", {"kind": "metadata"}, status=status,
                 body=json.dumps({"code": "c", "message": "words of it"}))
    assert errno_of(os.setxattr, folder, TAG + "k", b"v") == number
    assert "words of it" in m.log()
    said = tag(folder, "k=v")
    assert said.returncode != 0
    assert "words of it" in said.stderr
    assert said.stdout == "tagged 0 of 1\n"


def test_a_days_limit_is_told_and_is_none_on_the_list(tagged):
    server, m, asset, folder = tagged
    server.refuse(retry_after=86400, count=-1, kind="metadata")
    assert errno_of(os.setxattr, folder, TAG + "k", b"v") == errno.EBUSY
    assert "HTTP 429" in m.log()
    server.create(fields={"filename": "late.mp4", "file_type": "video/mp4"})
    assert errno_of(m.refresh) == 0
    assert "late.mp4" in names(m)
    assert m.status()["background_pause_ms"] == 0


def test_an_answer_that_is_lost_is_asked_for_again(tagged):
    server, m, asset, folder = tagged
    server.fault("lost_answer", {"kind": "metadata", "count": 1})
    os.setxattr(folder, TAG + "k", b"v")
    assert stored(server, asset)["k"] == "v"
    assert os.getxattr(folder, TAG + "k") == b"v"


def test_many_are_tagged_under_limits_and_none_twice(standin, mount):
    """1,000 by one command, most requests refused at first."""
    server = standin(assets=1200)
    m = mount(server, rw=True, refresh=600)
    m.wait_complete()
    folders = [m.path / kind / n for kind in ("video", "image", "audio")
               for n in sorted(os.listdir(m.path / kind))][:1000]
    assert len(folders) == 1000
    server.fault("status", {"kind": "metadata", "probability": 0.1, "seed": 1},
                 status=429, headers={"retry-after-ms": "5"})
    server.fault("status", {"kind": "metadata", "probability": 0.02, "seed": 2},
                 status=503)
    seq = server.seq()
    said = subprocess.run([BINARY, "tag", *folders, "season=2026", "gone-"],
                          text=True, capture_output=True, timeout=300)
    assert said.returncode == 0, said.stderr
    assert said.stdout == "tagged 1000 of 1000\n"
    tagged = [a for a in server.assets()
              if a.get("user_metadata", {}).get("season") == 2026]
    assert len(tagged) == 1000
    requests = [(r["path"], r["status"]) for r in server.log(seq)
                if r["kind"] == "metadata"]
    done = set()
    for path, status in requests:
        assert path not in done, "asked again after it had succeeded"
        if status == 200:
            done.add(path)
    assert len(done) == 1000
    assert {429, 503} < {status for _, status in requests}
    assert os.getxattr(folders[0], TAG + "season") == b"2026"


def test_the_command_works_in_a_query_and_says_what_is_wrong(tagged):
    server, m, asset, folder = tagged
    query = m.path / "filename=the one"
    said = tag(*[query / n for n in os.listdir(query)], "a=x=y", "kept-")
    assert (said.returncode, said.stdout) == (0, "tagged 1 of 1\n")
    assert stored(server, asset) == {"a": "x=y"}
    before = changes(server)
    assert tag().returncode == 2
    assert tag(folder).returncode == 2
    assert "neither a folder" in tag(folder, "word").stderr
    assert "neither a folder" in tag(folder, "gone-", "k=v").stderr
    assert "twice" in tag(folder, "a=1", "a=2").stderr
    assert "twice" in tag(folder, "a=1", "a-").stderr
    assert tag(folder, "k=").returncode == 2
    assert "no such folder" in tag(folder, m.path / "filename=x/y", "k=v").stderr
    assert "no such folder" in tag("video/none.mp4", "k=v").stderr
    assert "not an asset's folder" in tag(m.path / "video", "k=v").stderr
    assert changes(server) == before
    assert tag(folder, folder, "--", "url=http://x/y").stdout == \
        "tagged 1 of 1\n"
    assert changes(server) == before + 1
    assert stored(server, asset)["url"] == "http://x/y"
    assert tag(folder, "url-", "a-").returncode == 0
    assert stored(server, asset) == {}


def test_one_that_fails_fails_the_command_and_no_other(tagged):
    server, m, asset, folder = tagged
    others = [m.path / "video" / n for n in names(m) if n != "the one.mp4"]
    server.fault("status", {"path_prefix": f"/v1.3/assets/{asset}/"}, status=403)
    said = tag(folder, *others, "k=v")
    assert said.returncode == 1
    assert said.stdout == f"tagged {len(others)} of {len(others) + 1}\n"
    assert str(folder) in said.stderr


def test_who_is_impatient_is_let_go_and_the_tag_arrives(tagged):
    """Ctrl-C ends the wait; what was sent goes on, and the catalogue hears."""
    server, m, asset, folder = tagged
    server.fault("late_answer", {"kind": "metadata"}, ms=60000)
    process = subprocess.Popen(["setfattr", "-n", TAG + "k", "-v", "v", folder])
    server.wait("metadata", 1)
    process.terminate()
    assert process.wait(PATIENCE_S) != 0
    server.clear_faults()  # the answer comes
    within(PATIENCE_S, lambda: TAG + "k" in os.listxattr(folder))
    assert stored(server, asset)["k"] == "v"


def test_a_mount_that_ends_meanwhile_ends(tagged):
    server, m, asset, folder = tagged
    server.fault("stall", {"kind": "metadata"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(errno_of, os.setxattr, folder, TAG + "k", b"v")
        server.wait("metadata", 1)
        m.stop()
        assert result.result(PATIENCE_S) in (
            errno.ESHUTDOWN, errno.EINTR, errno.ENOTCONN, errno.ECONNABORTED)


def test_an_older_answer_does_not_take_a_tag_back(tagged):
    """A page that was asked for before the change comes in after it was read
    anew; what else it brings counts."""
    server, m, asset, folder = tagged
    server.fault("late_answer", {"kind": "list", "count": 1}, ms=60000)
    server.create(fields={"filename": "new.mp4", "file_type": "video/mp4"})
    lists = server.stats()["requests"]["list"]
    # A process of its own: Python's ioctl keeps its lock.
    refresh = subprocess.Popen([BINARY, "refresh", m.path],
                               stdout=subprocess.DEVNULL)
    server.wait("list", lists + 1)
    os.setxattr(folder, TAG + "k", b"v")
    assert os.getxattr(folder, TAG + "k") == b"v"
    server.clear_faults()
    assert refresh.wait(PATIENCE_S) == 0
    assert "new.mp4" in names(m)
    assert os.getxattr(folder, TAG + "k") == b"v"
    assert json.loads((folder / "metadata.json").read_text())[
        "user_metadata"]["k"] == "v"
    server.edit(asset, {"user_metadata": {"k": "another's"}})
    m.refresh()
    assert os.getxattr(folder, TAG + "k") == b"another's"


# ---- names and values as anybody may give them ----


@pytest.mark.parametrize("key", [
    "a.b", "a/b", "../x", "a\r\nx-api-key: other", "é", "\"", "k" * 225, "id"])
def test_any_key_is_one_key(tagged, key):
    server, m, asset, folder = tagged
    os.setxattr(folder, TAG + key, b"v")
    assert stored(server, asset) == {"kept": "as it is", key: "v"}
    assert os.getxattr(folder, TAG + key) == b"v"
    assert TAG + key in os.listxattr(folder)
    os.removexattr(folder, TAG + key)
    assert stored(server, asset) == {"kept": "as it is"}
    assert server.stats()["key_leaks"] == 0


def test_a_value_may_be_as_large_as_any_attribute(tagged):
    server, m, asset, folder = tagged
    for value in ("x" * 65536, "\x01" * 65536, "é" * 32768):
        os.setxattr(folder, TAG + "k", value.encode())
        assert stored(server, asset)["k"] == value
        assert os.getxattr(folder, TAG + "k").decode() == value
    assert errno_of(os.setxattr, folder, TAG + "k", b"x" * 65537) == errno.E2BIG


def test_what_is_listed_can_be_read(standin, mount):
    """Whatever the server has: values beyond any attribute, fields that have a
    tag's name, names that none can have."""
    server = standin(assets=5)
    one(server, **{"user_metadata.k": "no tag", "id": "none",
                   "user_metadata": {"k": "tag", "large": "x" * 70000,
                                     "escaped": "\x01" * 30000,
                                     "n" * 300: "v", "": "v", "a\0b": "v",
                                     "sub": {"a": 1}, "list": [1]}})
    m = mount(server, rw=True, refresh=600)
    m.wait_complete()
    folder = m.path / "video" / "the one.mp4"
    listed = os.listxattr(folder)
    assert len(listed) == len(set(listed))
    values = {name: os.getxattr(folder, name) for name in listed}
    assert values[TAG + "k"] == b"tag"
    assert len(values[TAG + "escaped"]) == 30000
    tags = {n[len(TAG):] for n in listed if n.startswith(TAG)}
    assert tags == {"k", "escaped"}
    os.setxattr(folder, TAG + "k", b"new")
    assert os.getxattr(folder, TAG + "k") == b"new"


@pytest.mark.parametrize("tags", [[1], "text", 7, None, True])
def test_what_is_no_object_has_no_keys(standin, mount, tags):
    server = standin(assets=2)
    one(server, user_metadata=tags)
    m = mount(server, refresh=600)
    m.wait_complete()
    listed = os.listxattr(m.path / "video" / "the one.mp4")
    assert "user.twelvelabs.id" in listed
    assert not [n for n in listed if n.startswith(TAG)]


def test_two_who_set_one_key_see_what_is_stored(standin, mount):
    """Two mounts, four processes: the last writer wins, and both show it once
    each has heard of it."""
    server = standin(assets=5)
    asset = one(server)
    mounts = [mount(server, rw=True, refresh=600) for _ in range(2)]
    for m in mounts:
        m.wait_complete()
    folders = [m.path / "video" / "the one.mp4" for m in mounts]
    for turn in range(5):
        said = [subprocess.Popen([BINARY, "tag", f, f"k=v{turn}{i}"],
                                 stdout=subprocess.DEVNULL)
                for i, f in enumerate(folders * 2)]
        assert [p.wait(PATIENCE_S) for p in said] == [0] * 4
        value = stored(server, asset)["k"]
        assert value in {f"v{turn}{i}" for i in range(4)}
        own = {os.getxattr(f, TAG + "k").decode() for f in folders}
        assert value in own
    assert changes(server) == 20


# ---- killed at each stage ----

STAGES = {"is under way": ("stall", False), "is done": ("late_answer", True)}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_while_it(standin, mount, tmp_path, stage):
    """Repeating it does no harm, and brings it about."""
    fault, done = STAGES[stage]
    server = standin(assets=5)
    asset = one(server)
    m = mount(server, rw=True, refresh=600, cache_dir=tmp_path / "cache")
    m.wait_complete()
    server.fault(fault, {"kind": "metadata", "count": 1})
    setting = subprocess.Popen(["setfattr", "-n", TAG + "k", "-v", "v",
                                m.path / "video/the one.mp4"],
                               stderr=subprocess.DEVNULL)
    server.wait("metadata", 1)
    within(PATIENCE_S, lambda: ("k" in stored(server, asset)) == done)
    m.kill()
    assert setting.wait(PATIENCE_S) != 0
    assert ("k" in stored(server, asset)) == done
    m.stop()
    again = mount(server, rw=True, refresh=600, cache_dir=tmp_path / "cache")
    folder = again.path / "video" / "the one.mp4"
    os.setxattr(folder, TAG + "k", b"v")
    assert os.getxattr(folder, TAG + "k") == b"v"
    assert stored(server, asset) == {"kept": "as it is", "k": "v"}


def test_a_key_that_changes_meanwhile_is_told_and_taken(standin, tmp_path):
    server = standin(assets=5)
    asset = one(server)
    secret = tmp_path / "key"
    secret.write_text(server.key)
    secret.chmod(0o600)
    with Mount(server, env={"TWELVE_LABS_API_KEY": ""}, key_file=secret,
               rw=True, delete="safe", refresh=600) as m:
        m.wait_complete()
        folder = m.path / "video" / "the one.mp4"
        server.fault("status", {"kind": "metadata"}, status=401)
        server.fault("status", {"kind": "delete"}, status=401)
        assert errno_of(os.setxattr, folder, TAG + "k", b"v") == errno.EACCES
        assert errno_of(os.rmdir, folder) == errno.EACCES
        said = tag(folder, "k=v")
        assert said.returncode != 0 and "tagged 0 of 1" in said.stdout
        assert "k" not in stored(server, asset)
        server.clear_faults()
        m.process.send_signal(signal.SIGHUP)
        within(PATIENCE_S, lambda: "read the API key again" in m.log())
        os.setxattr(folder, TAG + "k", b"v")
        os.rmdir(folder)
        assert asset not in server.ids()
        assert server.key not in m.log()


def test_what_cannot_be_read_anew_shows_later(standin, mount):
    """The change is done and told; the list fails for a while."""
    server = standin(assets=5)
    asset = one(server)
    m = mount(server, rw=True, refresh=600, timeout=1)
    m.wait_complete()
    folder = m.path / "video" / "the one.mp4"
    server.fault("status", {"kind": "list"}, status=503)
    os.setxattr(folder, TAG + "k", b"v")
    assert stored(server, asset)["k"] == "v"
    assert "reading it again failed" in m.log()
    server.clear_faults()
    within(PATIENCE_S, lambda: TAG + "k" in os.listxattr(folder))
