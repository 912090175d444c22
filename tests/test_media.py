# SPDX-License-Identifier: MIT
"""Pictures and playlists: what is fetched, what is told of it, what is read."""
import concurrent.futures
import errno
import http.server
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

from mounting import Mount, PATIENCE_S, folders
from waiting import within

JPEG = b"\xff\xd8\xff"
MIB = 1 << 20


class Cdn(http.server.ThreadingHTTPServer):
    """Pictures as a test wants them: bodies {path: bytes}; a path in held is
    answered once let_go is called. daemon_threads: nobody waits for them."""

    daemon_threads = True

    def __init__(self):
        self.bodies = {}
        self.asked = []
        self.held = {}
        super().__init__(("127.0.0.1", 0), CdnRequest)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def hold(self, path):
        self.held[path] = threading.Event()

    def let_go(self, path):
        self.held.pop(path).set()


class CdnRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        body = self.server.bodies.get(path)
        self.server.asked.append(path)
        if path in self.server.held:
            self.server.held[path].wait(PATIENCE_S)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *words):
        pass


@pytest.fixture
def cdn():
    server = Cdn()
    yield server
    server.shutdown()
    server.server_close()


def give_picture(server, asset_id, url):
    server.edit(asset_id, {"thumbnail": {"status": "ready",
                                         "representative_url": url}})


def with_pictures(server):
    return {a["_id"]: a["thumbnail"]["representative_url"]
            for a in server.assets()
            if (a.get("thumbnail") or {}).get("representative_url")}


def in_media(m, asset_id):
    """The picture's path, by the directory's own word."""
    folder = m.path / ".media" / asset_id
    return next(folder / name for name in os.listdir(folder)
                if name.startswith("thumbnail."))


def try_read(path):
    """Its bytes, or the errno."""
    try:
        return path.read_bytes()
    except OSError as failure:
        return failure.errno


def read_all(paths, readers):
    """How many could not be read, of all, by so many at once."""
    with concurrent.futures.ThreadPoolExecutor(readers) as pool:
        results = list(pool.map(try_read, paths))
    return [r for r in results if not isinstance(r, bytes)]


def fetched(server):
    return server.stats()["requests"]["picture"]


def kept_files(m):
    return list(pathlib.Path(m.options["cache_dir"]).glob("*/media/*"))


# ---- another's picture ----


def test_bytes_are_of_the_url_that_they_were_fetched_from(standin, cdn):
    """The asset gets another picture while the old one is on its way."""
    server = standin(assets=20)
    asset_id = server.ids()[0]
    cdn.bodies = {"/old.jpg": JPEG + b"old", "/new.jpg": JPEG + b"the new one"}
    give_picture(server, asset_id, cdn.url("/old.jpg"))
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        path = m.path / ".media" / asset_id / "thumbnail.jpg"
        cdn.hold("/old.jpg")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(try_read, path)
            within(PATIENCE_S, lambda: cdn.asked == ["/old.jpg"])
            give_picture(server, asset_id, cdn.url("/new.jpg"))
            m.refresh()
            cdn.let_go("/old.jpg")
            assert asked.result() in (cdn.bodies["/new.jpg"], errno.ESTALE)
        assert path.read_bytes() == cdn.bodies["/new.jpg"]
        assert os.stat(path).st_size == len(cdn.bodies["/new.jpg"])


@pytest.mark.parametrize("size", [3 * MIB, 2 * MIB, 4 * MIB])
def test_nobody_reads_half_of_one_picture_and_half_of_another(standin, cdn,
                                                              size):
    server = standin(assets=20)
    asset_id = server.ids()[0]
    cdn.bodies = {"/old.jpg": JPEG + b"o" * 3 * MIB,
                  "/new.jpg": JPEG + b"n" * size}
    give_picture(server, asset_id, cdn.url("/old.jpg"))
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        path = m.path / ".media" / asset_id / "thumbnail.jpg"
        reader = os.open(path, os.O_RDONLY)
        read = os.read(reader, 100)
        give_picture(server, asset_id, cdn.url("/new.jpg"))
        m.refresh()
        assert path.read_bytes() == cdn.bodies["/new.jpg"]
        try:
            while piece := os.read(reader, MIB):
                read += piece
            os.close(reader)
        except OSError as failure:
            assert failure.errno in (errno.ESTALE, errno.EIO)
        else:
            assert read == cdn.bodies["/old.jpg"]
        assert path.read_bytes() == cdn.bodies["/new.jpg"]


@pytest.mark.parametrize("size", [100, 99, 101])
def test_bytes_that_changed_under_their_url_are_no_mixture(standin, cdn, size):
    """What stat said is what is read, or the read fails once; then it is the
    new picture, with its size."""
    server = standin(assets=20)
    asset_id = server.ids()[0]
    old, new = JPEG + b"o" * 100, JPEG + b"n" * size
    cdn.bodies = {"/p.jpg": old}
    give_picture(server, asset_id, cdn.url("/p.jpg"))
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        assert in_media(m, asset_id).read_bytes() == old
        assert m.unmount() == 0
        for file in kept_files(m):
            file.unlink()
        cdn.bodies = {"/p.jpg": new}
        m.start()
        path = in_media(m, asset_id)
        assert os.stat(path).st_size == len(old)
        with pytest.raises(OSError) as failure:
            path.read_bytes()
        assert failure.value.errno == errno.ESTALE
        # the kernel is told in its own time
        within(PATIENCE_S, lambda: try_read(path) == new)
        assert os.stat(path).st_size == len(new)
        assert cdn.asked == ["/p.jpg"] * 2


def test_only_pictures_are_pictures(standin, cdn):
    server = standin(assets=20)
    playlist, page = server.ids()[:2]
    cdn.bodies = {"/thumbnail.m3u8": b"#EXTM3U\nfile:///etc/passwd\n",
                  "/thumbnail.html": b"<!DOCTYPE html><script>"}
    give_picture(server, playlist, cdn.url("/thumbnail.m3u8"))
    give_picture(server, page, cdn.url("/thumbnail.html"))
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        for asset_id in playlist, page:
            assert in_media(m, asset_id).name == "thumbnail.jpg"
            assert try_read(in_media(m, asset_id)) == errno.EIO
        assert m.log().count("is of no image format") == 1
        assert playlist in m.log() and "#EXTM3U" in m.log()


# ---- what is known without asking ----


def forget_bytes(m):
    """A mount that has read everything once, and has no picture's bytes."""
    assert m.unmount() == 0
    for file in kept_files(m):
        file.unlink()
    m.start()


def test_a_size_once_learnt_is_told_without_the_bytes(standin):
    server = standin(assets=60)
    server.signing(True, ttl_s=3600)
    created = {a["_id"]: a["created_at"] for a in server.assets()}
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        sizes = {i: len(in_media(m, i).read_bytes())
                 for i in with_pictures(server)}
        assert len(sizes) > 10
        forget_bytes(m)
        before = fetched(server)
        for asset_id, size in sizes.items():
            st = os.stat(in_media(m, asset_id))
            assert st.st_size == size
            assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(
                st.st_mtime)) == created[asset_id][:19]
        assert fetched(server) == before
        for asset_id, size in sizes.items():
            assert len(in_media(m, asset_id).read_bytes()) == size
        assert fetched(server) == before + len(sizes)


def test_rsync_copies_nothing_a_second_time(standin, tmp_path):
    server = standin(assets=60)
    server.signing(True, ttl_s=3600)
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        tree = tmp_path / "tree"
        tree.mkdir()
        for asset_id in server.ids():
            if (m.path / ".media" / asset_id).is_dir():
                (tree / asset_id).symlink_to(m.path / ".media" / asset_id)

        def copied():
            said = subprocess.run(
                ["rsync", "-aL", "--out-format=%n", f"{tree}/",
                 tmp_path / "copy"], check=True, capture_output=True,
                text=True).stdout.splitlines()
            return [line for line in said if not line.endswith("/")]

        assert len(copied()) > 20
        assert copied() == []
        forget_bytes(m)
        before = fetched(server)
        assert copied() == []
        assert fetched(server) == before


# ---- renewing ----


def renewed(m):
    return m.status()["requests"]["renew"]["sent"]


EXPIRED = {
    # before the mount: their own Expires says so
    "by their word": lambda server, m: None,
    # after it: only the CDN knows
    "by the CDN's": lambda server, m: server.expire()}


@pytest.mark.parametrize("readers", [1, 8])
@pytest.mark.parametrize("order", ["as listed", "shuffled"])
@pytest.mark.parametrize("why", EXPIRED)
def test_expired_pictures_are_renewed_fifty_at_a_time(standin, why, order,
                                                      readers):
    server = standin(assets=300)
    server.signing(True, ttl_s=1 if why == "by their word" else 3600)
    with Mount(server, refresh=600, sweep=600) as m:
        m.wait_complete()
        read_at = int(time.time())
        server.signing(True, ttl_s=3600)
        if why == "by the CDN's":
            server.expire()
        within(PATIENCE_S, lambda: int(time.time()) > read_at)
        listed = [m.path / ".pictures" / n
                  for n in os.listdir(m.path / ".pictures")]
        if order == "shuffled":
            random.Random(1).shuffle(listed)
        assert len(listed) > 200
        asked = server.stats()["requests"]["list"]
        assert read_all(listed, readers) == []
        assert server.stats()["requests"]["list"] - asked <= 8
        assert renewed(m) <= 8


# ---- what runs out, or is taken away ----


def test_few_descriptors_suffice_for_many_pictures(standin):
    server = standin(assets=400)
    with Mount(server, refresh=600,
               within=["prlimit", "--nofile=64:64"]) as m:
        m.wait_complete()
        paths = [in_media(m, i) for i in with_pictures(server)]
        assert len(paths) > 250
        assert read_all(paths, 64) == []
        for file in kept_files(m)[::2]:
            file.unlink()
        forget_kernel_pages(m)
        assert read_all(paths, 64) == []
        assert len(os.listdir(f"/proc/{m.process.pid}/fd")) < 64


def forget_kernel_pages(m):
    """Of pictures that were read: the next read asks the daemon."""
    for path in m.path.glob(".pictures/*"):
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


@pytest.mark.parametrize("before", [0, 100])
def test_a_cache_that_is_taken_away_ends_nothing(standin, before):
    server = standin(assets=400)
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        paths = [in_media(m, i) for i in with_pictures(server)]
        assert read_all(paths[:before], 8) == []
        shutil.rmtree(m.options["cache_dir"])
        forget_kernel_pages(m)
        assert read_all(paths, 64) == []
        for kind in ("video", "image", "audio", "document"):
            for folder in os.scandir(m.path / kind):
                pathlib.Path(folder.path, "metadata.json").read_bytes()
        server.create(30)
        m.refresh()
        assert len(folders(m)) == 430
        assert m.process.poll() is None


def limit_files(m, size):
    subprocess.run(["prlimit", "--pid", str(m.process.pid),
                    f"--fsize={size}:unlimited"], check=True)


def test_a_limit_to_file_sizes_is_a_full_disk(standin):
    """Pictures are served from memory; the daemon lives; what the catalogue
    can't take is an error, and comes once it can."""
    server = standin(assets=300)
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        paths = [in_media(m, i) for i in with_pictures(server)]
        limit_files(m, 1)
        assert read_all(paths, 8) == []
        assert kept_files(m) == []
        assert len(folders(m)) == 300
        server.create(60)
        with pytest.raises(OSError) as failure:
            m.refresh()
        assert failure.value.errno == errno.ENOSPC
        assert len(folders(m)) == 300
        limit_files(m, "unlimited")
        m.refresh()
        assert len(folders(m)) == 360


def try_walk(directory):
    """Reads every file below; the errno that ends it."""
    try:
        for folder in os.scandir(directory):
            pathlib.Path(folder.path, "metadata.json").read_bytes()
    except OSError as failure:
        return failure.errno
    return None


def test_a_catalogue_cut_short_is_an_error_and_rebuilt(standin):
    server = standin(assets=2000)
    with Mount(server, refresh=600) as m:
        m.wait_complete()
        assert m.unmount() == 0  # now nothing is in the log alone
        m.start()
        file = next(pathlib.Path(m.options["cache_dir"]).glob(
            "*/catalogue.sqlite"))
        os.truncate(file, 4096)
        for _ in range(3):
            for kind in ("video", "image", "audio", "document"):
                assert try_walk(m.path / kind) in (None, errno.EIO)
        assert m.process.poll() is None
        m.unmount()
        m.start()
        m.wait_complete()
        assert len(folders(m)) == 2000
