# SPDX-License-Identifier: MIT
"""twelvefs status, refresh, save, forget; and what a read-only mount is."""
import concurrent.futures
import errno
import json
import os
import pathlib
import re
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S, SAVE
from waiting import within as wait_for

HACKING = pathlib.Path(__file__).resolve().parent.parent / "fs/HACKING.md"


def call(*words, within=()):
    return subprocess.run([*within, str(BINARY), *map(str, words)],
                          capture_output=True, text=True, timeout=PATIENCE_S)


def told(*words):
    done = call(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def flags_of(m):
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1] == str(m.path):
            return line.split()[3].split(",")
    return []


def test_refresh_says_what_a_poll_brought(standin, mount):
    server = standin(assets=120)
    m = mount(server, refresh=600)
    m.wait_complete()
    gone = server.ids()[0]
    assert told("refresh", m.path) == "nothing changed\n"
    server.create(2, fields={"filename": "new.mp4", "file_type": "video/mp4"},
                  status="ready")
    server.delete([gone])
    lines = told("refresh", m.path).splitlines()
    assert lines[0] == "2 created, 1 deleted, 0 changed"
    assert "+ video/new.mp4" in lines and len(lines) == 4
    assert sum(line[0] == "-" for line in lines) == 1
    server.create(300, fields={"filename": "many"}, status="ready")
    lines = told("refresh", m.path / "video").splitlines()
    assert lines[0] == "300 created, 0 deleted, 0 changed"
    assert lines[1] == "… 200 earlier ones" and len(lines) == 102
    assert len(os.listdir(m.path / "filename=many")) == 300


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_queries_are_saved_and_forgotten(standin, tmp_path, mode):
    server = standin(assets=300)
    options = {"cache_dir": tmp_path / "c", "refresh": 600, mode: True}
    with Mount(server, **options) as m:
        m.wait_complete()
        assert mode in flags_of(m)
        places = (m.path, m.path / "video", m.path / "size=1..")
        for place in places:
            before = os.listdir(place)  # the kernel keeps it, and the absence
            assert not (place / "mine").exists()
            assert told("save", place, "mine", "status=ready") == ""
            assert sorted(os.listdir(place)) == sorted([*before, "mine"])
            assert os.readlink(place / "mine") == "status=ready"
            assert sorted(os.listdir(place / "mine")) == \
                sorted(os.listdir(place / "status=ready"))
        # through a saved one, it is saved where that leads
        told("save", m.path / "mine", "deep", "type=video")
        assert os.listdir(m.path / "status=ready").count("deep") == 1
    with Mount(server, **options) as m:
        for place in (m.path, m.path / "video", m.path / "size=1..",
                      m.path / "status=ready"):
            names = os.listdir(place)
            name = "deep" if place.name == "status=ready" else "mine"
            assert name in names
            told("forget", place, name)
            assert not (place / name).is_symlink()
            names.remove(name)
            assert sorted(os.listdir(place)) == sorted(names)


def test_a_command_that_waits_hides_no_change(standin, mount):
    """A command holds no directory's lock, so what it waits for puts no
    notification off."""
    server = standin(assets=60)
    m = mount(server, refresh=600)
    m.wait_complete()
    m.save("", "mine", "status=ready")
    assert (m.path / "mine").is_symlink()
    server.suspend()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        polled = pool.submit(told, "refresh", m.path)
        try:
            wait_for(PATIENCE_S,
                     lambda: m.status()["fuse"]["waiting"] == 1)
            m.forget("", "mine")
            assert not (m.path / "mine").is_symlink()
        finally:
            server.resume()
        assert polled.result() == "nothing changed\n"


def test_what_cannot_be_saved_is_told_why(standin, mount):
    m = mount(standin(assets=60), refresh=600)
    m.wait_complete()
    folder = next((m.path / "video").iterdir())
    told("save", m.path, "there", "status=ready")
    for place, name, query, why in (
            (m.path, "bad", "video", "not a path of key=value"),
            (m.path, "bad", "nosuch=1", "unknown key"),
            (m.path, "bad", "/etc/passwd", "not a relative path"),
            (m.path, "bad", "filename=" + "x" * 250, "255 bytes"),
            (m.path, "there", "status=failed", "there is one"),
            (m.path, "video", "status=failed", "every such directory"),
            (m.path, "pictures", "status=failed", "every such directory"),
            (m.path, "a=b", "status=failed", "a query itself"),
            (m.path, "a/b", "status=failed", "can't be a name"),
            (m.path, "..", "status=failed", "can't be a name"),
            (m.path, "x" * 256, "status=failed", "255 bytes"),
            (m.path / "video", folder.name, "status=failed", "there is one"),
            (folder, "x", "status=failed", "lists assets"),
            (m.path / ".twelvefs", "x", "status=failed", "lists assets")):
        done = call("save", place, name, query)
        assert done.returncode == 1 and why in done.stderr, done.stderr
    done = call("forget", m.path, "nothing")
    assert done.returncode == 1 and "no query" in done.stderr
    assert sorted(os.listdir(m.path)).count("there") == 1
    with pytest.raises(OSError) as failure:
        m.command(SAVE, "one word only")
    assert failure.value.errno == errno.EINVAL


def test_status_is_for_people_and_for_programs(standin, mount):
    server = standin(assets=5000)
    server.latency(300)
    m = mount(server, timeout=3)
    text = told("status", m.path)
    assert "reading   [" in text and "of 5,000 for the first time" in text
    server.latency(0)
    m.wait_complete()
    text = told("status", m.path / "video")
    assert text.splitlines()[0].startswith(f"account   standin on {m.path}, "
                                           "read-only")
    assert "\nassets    5,000: " in text and "reading" not in text
    assert "\nfresh     polled " in text and "\nerrors    none\n" in text
    status = json.loads(told("status", "--json", m.path))
    assert status["assets"]["all"] == 5000 and status["complete"]
    server.fault("status", status=500, match={"origin": "api", "count": -1})
    done = call("refresh", m.path)
    assert done.returncode == 5 and str(m.path) in done.stderr
    text = told("status", m.path)
    assert "\nstale     " in text and "HTTP 500" in text


def test_only_the_mounts_owner_may_command(standin, mount):
    m = mount(standin(assets=30), allow_other=True)
    m.home.chmod(0o755)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*other, "ls", m.path], capture_output=True)
    assert done.returncode == 0
    for words in (["status", m.path], ["refresh", m.path],
                  ["save", m.path, "x", "status=ready"], ["watch", m.path]):
        asked = subprocess.run([*other, str(BINARY), *map(str, words)],
                               capture_output=True, text=True)
        if "Permission denied" in asked.stderr and not asked.stdout and \
                asked.returncode == 126:
            pytest.skip("the build folder is closed to others")
        assert asked.returncode == 1 and "owner" in asked.stderr, asked.stderr
    assert not (m.path / "x").is_symlink()


def test_commands_elsewhere_say_so(tmp_path):
    for words, status, why in (
            (["refresh", tmp_path], 6, "not in a twelvefs mount"),
            (["status", tmp_path / "none"], 6, "No such file"),
            (["status", "/proc/version"], 6, "Not a directory"),
            (["status"], 2, "usage: twelvefs status"),
            (["refresh", "--json", tmp_path], 2, "usage: twelvefs refresh"),
            (["save", tmp_path, "x"], 2, "usage: twelvefs save"),
            (["forget", tmp_path], 2, "usage: twelvefs forget")):
        done = call(*words)
        assert done.returncode == status and why in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_commands_name_can_be_a_mount_point_or_source(standin, tmp_path):
    server = standin(assets=5)
    for words in (["./status"], ["status", "refresh"]):
        point = tmp_path / words[-1]
        point.mkdir()
        subprocess.run([str(BINARY), *words, "-o", f"cache_dir={tmp_path}/c"],
                       cwd=tmp_path, check=True, timeout=PATIENCE_S,
                       env={**os.environ, **server.env()})
        assert "video" in os.listdir(point)
        subprocess.run(["fusermount3", "-u", str(point)], check=True)


def test_a_mount_is_read_only_unless_asked(standin):
    with Mount(standin(assets=5)) as m:
        assert "ro" in flags_of(m)
        with pytest.raises(OSError) as failure:
            os.symlink("status=ready", m.path / "x")
        assert failure.value.errno == errno.EROFS
        assert not (m.path / ".twelvefs/refresh").exists()


def test_an_open_status_json_stays_readable(standin, mount):
    """However often others look at it before its reader goes on."""
    m = mount(standin(assets=5), refresh=600)
    path = m.path / ".twelvefs/status.json"
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(5000):
            os.stat(path)
        assert len(file.read()) == size


def test_status_json_is_read_whole_whoever_reads_beside(standin, mount):
    """Its size changes all the time, and is what is read."""
    server = standin(assets=60)
    m = mount(server, refresh=600)
    path = m.path / ".twelvefs/status.json"

    def read(number):
        text = path.read_bytes()
        assert text.endswith(b"}\n") and b"  \n" not in text
        for i in range(number % 7):
            os.path.exists(m.path / f"filename={number}-{i}")
        return json.loads(text)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(read, range(400)))
    assert all(t["version"] == texts[0]["version"] for t in texts)
    with open(path, "rb") as file:
        assert os.fstat(file.fileno()).st_size == len(file.read())
        first = file.seek(0) or file.read()
        assert json.loads(path.read_bytes()) and file.seek(0) == 0
        assert file.read() == first


def test_every_field_of_status_is_explained(standin, mount):
    lines = HACKING.read_text().splitlines()
    named = set(re.findall(r"`(\w+)`", "\n".join(
        line.split("|")[1] for line in lines if line.startswith("| `"))))
    assert set(mount(standin(assets=3)).status()) <= named
