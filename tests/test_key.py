# SPDX-License-Identifier: MIT
"""The key stays in."""
import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from mounting import BINARY, PATIENCE_S, Mount, pictures
from waiting import within

KEY = "tlk_SECRET0123456789abcdef"


def read_pictures(m):
    for path in pictures(m):
        try:
            path.read_bytes()
        except OSError:
            pass  # the stand-in's hostile pictures


def test_the_key_reaches_no_host_but_the_apis(standin, mount):
    server = standin(assets=60, key=KEY)
    m = mount(server)
    m.wait_complete()
    read_pictures(m)
    stats = server.stats()
    assert stats["requests"]["picture"] > 10
    assert stats["key_leaks"] == 0


def test_not_by_redirect_either(standin, mount):
    server = standin(assets=60, key=KEY)
    m = mount(server, timeout=2)
    m.wait_complete()
    server.fault("redirect", location="$MEDIA/assets/x/stolen",
                 match={"origin": "api", "count": -1})
    subprocess.run(["ls", str(m.path / ".id" / ("f" * 24))], check=False,
                   capture_output=True)
    try:
        m.refresh()
    except OSError:
        pass  # a redirected API is a broken answer
    assert server.stats()["key_leaks"] == 0


def test_the_key_is_nowhere_on_the_machine(standin):
    server = standin(assets=60, key=KEY)
    with Mount(server) as m:
        m.wait_complete()
        pid = m.process.pid
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in pathlib.Path(
                f"/proc/{pid}/{name}").read_bytes()
        assert KEY not in (m.path / ".twelvefs/status.json").read_text()
        m.stop()
        assert KEY not in m.log()
        hit = subprocess.run(["grep", "-rlF", KEY, str(m.home)],
                             capture_output=True, text=True)
        assert hit.stdout == ""


def test_the_cache_is_the_users_alone(standin):
    with Mount(standin(assets=60)) as m:
        m.wait_complete()
        read_pictures(m)
        for folder, _, files in os.walk(m.options["cache_dir"]):
            assert os.stat(folder).st_mode & 0o077 == 0
            for name in files:
                assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0


def test_key_sources(standin, tmp_path):
    server = standin(assets=10, key=KEY)
    base = {"TWELVE_LABS_API_KEY": ""}
    secret = tmp_path / "key"
    secret.write_text(KEY + "\n")
    secret.chmod(0o600)
    with Mount(server, env=base, key_file=secret) as m:
        assert "video" in os.listdir(m.path)
    with Mount(server, env=base, key_command=f"cat {secret}") as m:
        assert "video" in os.listdir(m.path)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "twelve-labs-api-key").write_text(KEY)
    with Mount(server, env={**base,
                            "CREDENTIALS_DIRECTORY": str(credentials)}) as m:
        assert "video" in os.listdir(m.path)


def test_a_new_key_is_read_without_unmounting(standin, tmp_path):
    server = standin(assets=60, key=KEY)
    secret = tmp_path / "key"
    secret.write_text(KEY)
    secret.chmod(0o600)
    with Mount(server, env={"TWELVE_LABS_API_KEY": ""}, key_file=secret,
               timeout=4, refresh=600) as m:
        m.wait_complete()
        opened = os.open(m.path, os.O_RDONLY | os.O_DIRECTORY)
        server.stop()
        server.key = "tlk_ANOTHER0123456789abcdef"
        server.start()
        with pytest.raises(PermissionError):
            m.refresh()
        assert m.status()["stale_because"] == os.strerror(errno.EACCES)
        secret.write_text(server.key + "\n")
        m.process.send_signal(signal.SIGHUP)
        within(10, lambda: "read the API key again" in m.log())
        m.refresh()
        assert not m.status()["stale_because"]
        assert sorted(os.listdir(opened)) == sorted(os.listdir(m.path))
        os.close(opened)
        assert server.stats()["key_leaks"] == 0

        secret.chmod(0o644)
        m.process.send_signal(signal.SIGHUP)
        within(10, lambda: "keeping the old key" in m.log())
        m.refresh()
        m.stop()
        assert KEY not in m.log() and server.key not in m.log()


def test_no_core_can_hold_it(standin):
    with Mount(standin(assets=10, key=KEY)) as m:
        limits = pathlib.Path(f"/proc/{m.process.pid}/limits").read_text()
        core = next(l for l in limits.splitlines() if "core file" in l)
        assert core.split()[4:6] == ["0", "0"]


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    secret = tmp_path / "key"
    secret.write_text(KEY)
    secret.chmod(0o644)
    point = tmp_path / "mnt"
    point.mkdir()
    result = subprocess.run([str(BINARY), "-o", f"key_file={secret}",
                             str(point)], capture_output=True, text=True)
    assert result.returncode == 3
    assert "chmod 600" in result.stderr and KEY not in result.stderr


def test_a_key_command_is_given_no_copy_of_the_key(standin, tmp_path):
    server = standin(assets=10, key=KEY)
    secret, seen = tmp_path / "key", tmp_path / "seen"
    secret.write_text(KEY)
    with Mount(server, key_command=f"env > {seen}; cat {secret}"):
        assert "PATH=" in seen.read_text()
        assert KEY not in seen.read_text()


def test_a_key_that_stands_twice_in_the_environment_is_wiped_twice(standin):
    server = standin(assets=10, key=KEY)
    with Mount(server, wait=False) as m:
        m.stop()
        m.arguments = twice(m.arguments())
        m.start()
        environ = pathlib.Path(f"/proc/{m.process.pid}/environ").read_bytes()
        assert environ.count(b"TWELVE_LABS_API_KEY=") == 2
        assert KEY.encode() not in environ


def twice(arguments):
    """execve takes what no shell and no subprocess would make."""
    code = ("import ctypes, os, sys\n"
            "key = b'TWELVE_LABS_API_KEY'\n"
            "env = [n + b'=' + v for n, v in os.environb.items()]\n"
            "env.append(key + b'=' + os.environb[key])\n"
            "text = ctypes.c_char_p\n"
            "argv = [a.encode() for a in sys.argv[1:]] + [None]\n"
            "env.append(None)\n"
            "ctypes.CDLL(None).execve(argv[0], (text * len(argv))(*argv),\n"
            "                         (text * len(env))(*env))\n")
    return lambda: [sys.executable, "-c", code, *arguments]


def test_a_key_command_that_hangs_holds_nobody_up(standin, tmp_path):
    """At SIGHUP: the mount goes on, and ends when it is told to."""
    server = standin(assets=10, key=KEY)
    secret, hangs = tmp_path / "key", tmp_path / "hangs"
    secret.write_text(KEY)
    command = f"cat {secret}; [ ! -e {hangs} ] || echo $$ > {hangs}; " \
              f"[ ! -e {hangs} ] || exec sleep 1000"
    with Mount(server, key_command=command) as m:
        hangs.touch()
        m.process.send_signal(signal.SIGHUP)
        within(PATIENCE_S, hangs.read_text)
        assert "video" in os.listdir(m.path)
        m.process.send_signal(signal.SIGTERM)
        assert m.process.wait(timeout=PATIENCE_S / 3) == 0
    assert not os.path.exists(f"/proc/{hangs.read_text().strip()}")
