# SPDX-License-Identifier: MIT
"""Numbers that outlive what the kernel remembers: inodes, file handles."""
import ctypes
import errno
import os
import subprocess

import pytest

from mounting import folders
from test_query import drop_caches

HANDLE_BYTES = 128
LIBC = ctypes.CDLL(None, use_errno=True)

pytestmark = pytest.mark.skipif(os.geteuid() != 0,
                                reason="open_by_handle_at is for root")


class Handle(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int),
                ("bytes", ctypes.c_ubyte * HANDLE_BYTES)]


def handle_of(path):
    handle, mount = Handle(size=HANDLE_BYTES), ctypes.c_int()
    if LIBC.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle),
                              ctypes.byref(mount), 0):
        raise OSError(ctypes.get_errno(), "name_to_handle_at")
    return handle


def open_handle(m, handle):
    where = os.open(m.path, os.O_RDONLY)
    try:
        fd = LIBC.open_by_handle_at(where, ctypes.byref(handle), os.O_RDONLY)
    finally:
        os.close(where)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    return fd


def read_handle(m, handle):
    with open(open_handle(m, handle), "rb") as file:
        return file.read()


def list_handle(m, handle):
    fd = open_handle(m, handle)
    try:
        return sorted(os.listdir(fd))
    finally:
        os.close(fd)


def test_handles_outlive_the_kernels_caches(standin, mount):
    server = standin(assets=300)
    m = mount(server, refresh=600)
    m.wait_complete()
    files, directories = [], [m.path, m.path / "video", m.path / "image"]
    for path in folders(m).values():
        files += [path / "metadata.json"]
        directories += [path]
    files = [(handle_of(p), p.read_bytes()) for p in files]
    directories = [(handle_of(p), sorted(os.listdir(p))) for p in directories]
    drop_caches("3")
    for handle, text in files:
        assert read_handle(m, handle) == text
    drop_caches("3")
    for handle, names in directories:
        assert list_handle(m, handle) == names


def test_a_handle_never_opens_another_directory(standin, mount):
    """That of a query directory ends with it, though its number is used
    again; that of an asset ends with the asset."""
    server = standin(assets=60)
    m = mount(server, refresh=600)
    m.wait_complete()
    path = next(iter(folders(m).values())) / "metadata.json"
    of_query = handle_of(m.path / "filename=a")
    of_asset = handle_of(path)
    server.delete([os.getxattr(path.parent, "user.twelvelabs.id").decode()])
    m.refresh()
    drop_caches("3")
    assert is_stale(m, of_query) and is_stale(m, of_asset)
    for i in range(70000):
        assert os.path.isdir(m.path / f"filename={i}")
        assert i % 1000 or is_stale(m, of_query)
    assert is_stale(m, of_query)


def is_stale(m, handle):
    with pytest.raises(OSError) as failure:
        os.close(open_handle(m, handle))
    return failure.value.errno == errno.ESTALE


def test_inode_numbers_are_exact_as_doubles(standin, mount):
    m = mount(standin(assets=300))
    m.wait_complete()
    seen = {}
    for place in (m.path, m.path / "status=ready", m.path / ".id"):
        for top, directories, files in os.walk(place):
            for name in directories + files:
                number = os.lstat(os.path.join(top, name)).st_ino
                assert 0 < number < 2 ** 53
                key = (top, name) if name not in (
                    "metadata.json", "thumbnail.url", "manifest.url") else name
                assert seen.setdefault(number, key) == key
    assert len(seen) > 900
    out = subprocess.run(
        ["node", "-e", "const fs = require('fs');"
         "console.log(fs.readdirSync('video').map("
         "n => fs.lstatSync('video/' + n).ino).join('\\n'))"],
        cwd=m.path, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(map(int, out)) == sorted(
        os.lstat(m.path / "video" / n).st_ino
        for n in os.listdir(m.path / "video"))


def test_any_number_of_query_directories_can_be_entered(standin, mount):
    """There are 49,152 at a time; the kernel is asked to forget the rest."""
    m = mount(standin(assets=20), refresh=600)
    m.wait_complete()
    for i in range(70000):
        assert os.path.isdir(m.path / f"filename={i}")
    assert m.status()["query_directories"] < 49152
