# SPDX-License-Identifier: MIT
"""Reading directories and files piece by piece, at a pace of one's own.

Python's and glibc's own readers take 32 KB at once and hide errors: glibc
takes ENOENT from getdents for the end. This calls getdents64 itself.
"""
import ctypes
import os
import struct

GETDENTS64 = {"x86_64": 217, "aarch64": 61}[os.uname().machine]
SMALLEST = 512  # holds an entry of any name
_libc = ctypes.CDLL(None, use_errno=True)


class DirectoryReader:
    """An open directory; `seen` is a list of (name, d_off)."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.seen = []
        self.ended = False

    def read(self, size=SMALLEST):
        """One getdents64 into `size` bytes; false at the end."""
        buffer = ctypes.create_string_buffer(size)
        got = _libc.syscall(ctypes.c_long(GETDENTS64), ctypes.c_long(self.fd),
                            buffer, ctypes.c_long(size))
        if got < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(self.path))
        at = 0
        while at < got:
            _, offset, length = struct.unpack_from("=QqH", buffer.raw, at)
            name = buffer.raw[at + 19:at + length].split(b"\0")[0].decode()
            if name not in (".", ".."):
                self.seen.append((name, offset))
            at += length
        self.ended = got == 0
        return got > 0

    def rest(self, size=SMALLEST):
        while self.read(size):
            pass

    def seek(self, count):
        """Back to behind the first `count` names of those seen."""
        del self.seen[count:]
        os.lseek(self.fd, self.seen[-1][1] if self.seen else 0, os.SEEK_SET)
        self.ended = False

    def names(self):
        return [name for name, _ in self.seen]

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class FileReader:
    """An open file, read in pieces; `text` is what came so far."""

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        self.text = b""
        self.ended = False

    def read(self, size=4096):
        piece = os.read(self.fd, size)
        self.text += piece
        self.ended = not piece
        return bool(piece)

    def rest(self, size=4096):
        while self.read(size):
            pass

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
