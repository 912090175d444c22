# SPDX-License-Identifier: MIT
"""A twelvefs mount for tests: started, awaited by event, taken down.

Mount runs `twelvefs -f` and waits for the READY datagram that it sends to
service managers, or for its end; never for a time.
"""
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import sanitizing

BUILD = pathlib.Path(os.environ.get("TWELVEFS_BUILD", "build")).resolve()
BINARY = BUILD / "twelvefs"
COMMAND = struct.Struct("=IiI16000s")  # fs/mount/command.h
REFRESH, STATUS, STATUS_JSON, SAVE, FORGET = range(1, 6)
TAG = 16
PATIENCE_S = 60  # how long a test waits before it calls a thing hung


class MountFailed(Exception):
    def __init__(self, status, stderr):
        super().__init__(f"twelvefs ended with {status}: {stderr}")
        self.status = status
        self.stderr = stderr


class Mount:
    """Context manager. Options become -o option=value; within is a command
    that runs it in other circumstances."""

    def __init__(self, standin, env=None, cache_dir=None, wait=True,
                 within=(), **options):
        self.within = list(within)
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="twelvefs-test-"))
        self.path = self.home / "mnt"
        self.path.mkdir()
        self.log_path = self.home / "log"
        self.options = dict(options)
        self.options["cache_dir"] = cache_dir or self.home / "cache"
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("TWELVE", "NOTIFY"))}
        if os.environ.get("TWELVEFS_TEST_FAILPOINT"):  # see test_failpoints.py
            self.env["TWELVEFS_FAILPOINT"] = os.environ[
                "TWELVEFS_TEST_FAILPOINT"]
        self.env["XDG_CONFIG_HOME"] = str(self.home / "config")
        if standin is not None:
            self.env.update(standin.env())
        self.env.update(env or {})
        self.process = None
        if wait:
            self.start()
        else:
            self.launch()

    def arguments(self):
        words = ",".join(k if v is True else f"{k}={v}"
                         for k, v in self.options.items())
        return [*self.within, str(BINARY), "-f", "-o", words, "standin",
                str(self.path)]

    def launch(self):
        name = str(self.home / "notify")
        if os.path.exists(name):
            os.unlink(name)
        self.ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ready.bind(name)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments(), env={**self.env, "NOTIFY_SOCKET": name},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        self.launch()
        self.wait_ready()
        return self

    def wait_ready(self):
        pidfd = os.pidfd_open(self.process.pid)
        try:
            readable, _, _ = select.select([self.ready, pidfd], [], [],
                                           PATIENCE_S)
        finally:
            os.close(pidfd)
        if self.ready in readable:
            assert self.ready.recv(512).startswith(b"READY=1\n")
            return
        if not readable:
            self.process.kill()
        raise MountFailed(self.process.wait(), self.log())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def status(self):
        return json.loads((self.path / ".twelvefs/status.json").read_text())

    def command(self, number, *words, place=""):
        """What `twelvefs COMMAND` asks, by its ioctl; answers the text. OSError
        with its errno, and with that of a refusal, which has the reason."""
        words = b"".join(os.fsencode(w) + b"\0" for w in words)
        question = bytearray(COMMAND.pack(1, 0, len(words), words))
        fd = os.open(self.path / place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, 3 << 30 | COMMAND.size << 16 | 0xf7 << 8 | number,
                        question)
        finally:
            os.close(fd)
        _, error, size, text = COMMAND.unpack(question)
        if error:
            raise OSError(error, os.strerror(error), text[:size].decode())
        return text[:size].decode()

    def refresh(self):
        """Polls now; returns when the poll is through, with what it brought."""
        return self.command(REFRESH)

    def save(self, place, name, query):
        self.command(SAVE, name, query, place=place)

    def forget(self, place, name):
        self.command(FORGET, name, place=place)

    def wait_complete(self):
        """A listing of every type ends only when the walk is through."""
        return [os.listdir(self.path / t)
                for t in ("video", "image", "audio", "document")]

    def is_mounted(self):
        with open("/proc/self/mounts") as mounts:
            return any(line.split()[1] == str(self.path) for line in mounts)

    def unmount(self):
        subprocess.run(["fusermount3", "-u", str(self.path)], check=True,
                       timeout=PATIENCE_S)
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self.is_mounted():
            subprocess.run(["fusermount3", "-uz", str(self.path)], check=False)
        self.ready.close()
        sanitizing.check(self.log())

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        try:
            self.stop()
        finally:
            if failure[0] is None:
                shutil.rmtree(self.home, ignore_errors=True)
            else:
                print(f"--- log of {self.home}\n{self.log()}")


def pictures(mount):
    """The picture of each asset that has one, by path; nothing is fetched."""
    for folder in folders(mount).values():
        media = folder / "media"
        if media.is_symlink():
            yield from (media / n for n in os.listdir(media)
                        if n.startswith("thumbnail."))


def folders(mount):
    """{folder name: path} of everything that the root's types list."""
    found = {}
    for kind in os.listdir(mount.path):
        directory = mount.path / kind
        if directory.is_symlink():
            continue
        for name in os.listdir(directory):
            assert name not in found, f"{name} stands twice"
            found[name] = directory / name
    return found
