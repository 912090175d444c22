# SPDX-License-Identifier: MIT
"""An automount point, as systemd makes them of x-systemd.automount: whoever
looks in waits for the mount, except the process group that makes it."""
import ctypes
import fcntl
import os
import select
import struct
import subprocess

import pytest

from mounting import BINARY, PATIENCE_S

READY = 0x9360  # AUTOFS_IOC_READY
FAIL = 0x9361
PACKET = struct.Struct("=iiII")  # version, type, token, device

libc = ctypes.CDLL(None, use_errno=True)


class Automount:
    """The kernel's side of one; answer() is the manager's."""

    def __init__(self, path):
        self.path = path
        self.pipe, told = os.pipe()
        options = (f"fd={told},pgrp={os.getpgrp()},minproto=5,maxproto=5,"
                   "direct")
        if libc.mount(b"test", os.fsencode(path), b"autofs", 0,
                      options.encode()):
            os.close(self.pipe)
            pytest.skip(f"no autofs: {os.strerror(ctypes.get_errno())}")
        os.close(told)
        self.root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def wait_asked(self):
        assert select.select([self.pipe], [], [], PATIENCE_S)[0]
        return PACKET.unpack_from(os.read(self.pipe, 4096))[2]

    def answer(self, token, request):
        fcntl.ioctl(self.root, request, token)

    def close(self):
        os.close(self.root)
        os.close(self.pipe)
        while libc.umount2(os.fsencode(self.path), 2) == 0:  # MNT_DETACH
            pass


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/dev/autofs"),
                    reason="needs root, and autofs in the kernel")
def test_it_is_mounted_when_somebody_looks(standin, tmp_path):
    server = standin(assets=30)
    point = tmp_path / "mnt"
    point.mkdir()
    automount = Automount(point)
    try:
        looker = subprocess.Popen(["ls", str(point)], start_new_session=True,
                                  stdout=subprocess.PIPE, text=True)
        token = automount.wait_asked()
        mounting = subprocess.Popen(
            [str(BINARY), "-o", f"cache_dir={tmp_path}/c", str(point)],
            env={**os.environ, **server.env()}, stderr=subprocess.PIPE)
        try:
            status = mounting.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            automount.answer(token, FAIL)
            raise
        assert status == 0, mounting.stderr.read()
        automount.answer(token, READY)
        assert "video" in looker.communicate(timeout=PATIENCE_S)[0]
    finally:
        automount.close()
