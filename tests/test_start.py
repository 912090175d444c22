# SPDX-License-Identifier: MIT
"""Mounted means mounted: what a start says, and what ends a mount without
anybody's asking."""
import contextlib
import os
import pathlib
import subprocess

import pytest

import sanitizing
from mounting import BINARY, BUILD, Mount, MountFailed, PATIENCE_S


class Start:
    """Starts that are expected to fail, all at one mount point."""

    def __init__(self, server, home):
        self.point = home / "mnt"
        self.point.mkdir()
        self.cache = home / "cache"
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith(("TWELVE", "NOTIFY"))}
        self.env.update(server.env())

    def __call__(self, *flags, options="noatime", within=()):
        words = f"cache_dir={self.cache},{options}"
        return subprocess.run(
            [*within, str(BINARY), *flags, "-o", words, str(self.point)],
            env=self.env, capture_output=True, text=True, timeout=PATIENCE_S)

    def is_mounted(self):
        return f" {self.point} " in pathlib.Path(
            "/proc/self/mounts").read_text()


@pytest.fixture
def start(standin, tmp_path):
    one = Start(standin(assets=5), tmp_path)
    yield one
    subprocess.run(["fusermount3", "-uzq", str(one.point)], check=False)


def within_devices(script):
    """A command within a mount namespace whose /dev has what script makes."""
    return ["unshare", "--mount", "sh", "-euc",
            'd=$(mktemp -d); mount -t tmpfs -o mode=755 none "$d"; '
            'cd "$d"; mknod -m 666 null c 1 3; '
            f'{script}; cd /; mount --move "$d" /dev; rmdir "$d"; '
            'exec "$@"', "sh"]


@pytest.mark.parametrize("flags", [["-f"], []], ids=["foreground", "daemon"])
def test_a_handshake_that_fails_is_no_mount(start, flags):
    result = start(*flags, options="max_read=65536")
    assert result.returncode == 1
    line, = result.stderr.splitlines()
    assert "maximum read size" in line and str(start.point) in line
    assert not start.is_mounted()


def test_a_handshake_that_fails_is_not_announced(standin):
    with pytest.raises(MountFailed) as failure:
        with Mount(standin(assets=5), max_read=65536):
            pass
    assert failure.value.status == 1


def test_without_fuse_it_says_so(start):
    result = start(within=within_devices("true"))
    assert result.returncode == 1
    line, = result.stderr.splitlines()
    assert "there is no /dev/fuse" in line


def test_without_devices_it_says_so(start):
    result = start(within=["unshare", "--mount", "sh", "-euc",
                           'mount -t tmpfs none /dev; exec "$@"', "sh"])
    assert result.returncode == 1
    assert result.stderr == ("twelvefs: cannot open /dev/null: "
                             "No such file or directory\n")


def test_a_device_that_may_not_be_opened_is_named(start):
    result = start(within=[
        *within_devices("mknod -m 0 fuse c 10 229"),
        "setpriv", "--bounding-set", "-dac_override"])
    assert result.returncode == 6
    line, = result.stderr.splitlines()
    assert "/dev/fuse: Permission denied" in line


def test_who_may_not_mount_is_told(start):
    result = start(within=["setpriv", "--bounding-set", "-sys_admin"])
    assert result.returncode == 6
    lines = result.stderr.splitlines()
    assert "not permitted" in lines[-1] and str(start.point) in lines[-1]
    # Of others only the reason, from who was asked to do it.
    assert all(line.startswith("fusermount3: ") for line in lines[:-1])


def test_unknown_options_are_named(start):
    result = start(options="noatime,wrong,refresh=5,more=1")
    assert result.returncode == 2
    line, = result.stderr.splitlines()
    assert "'wrong'" in line and "'more'" in line and "noatime" not in line
    assert "noatime" not in line and "refresh" not in line


def test_allow_root_is_refused(start):
    """The kernel would hand what it has cached to everybody."""
    result = start(options="allow_root")
    assert result.returncode == 2
    line, = result.stderr.splitlines()
    assert "allow_root" in line


def test_fstab_does_not_let_set_user_ids_or_devices_in(standin):
    """mount.fuse3 appends dev,suid to what /etc/fstab says."""
    with Mount(standin(assets=5), dev=True, suid=True) as m:
        line, = (line for line in pathlib.Path("/proc/self/mounts").read_text()
                 .splitlines() if f" {m.path} " in line)
        assert {"nosuid", "nodev"} <= set(line.split()[3].split(","))


def test_a_connection_that_is_cut_ends_it_with_a_word(standin, tmp_path):
    with Mount(standin(assets=5)) as m:
        number = os.minor(m.path.stat().st_dev)
        subprocess.run(["mount", "-t", "fusectl", "none", tmp_path],
                       check=True)
        try:
            (tmp_path / str(number) / "abort").write_text("1")
        finally:
            subprocess.run(["umount", tmp_path], check=True)
        assert m.process.wait(timeout=PATIENCE_S) == 1
        assert "its connection to the kernel was cut" in m.log()
        assert not m.is_mounted()


def test_status_says_what_it_runs_on(standin):
    version = subprocess.run([BINARY, "--version"], capture_output=True,
                             text=True, check=True).stdout
    with Mount(standin(assets=5)) as m:
        status = m.status()
    for name, number in status["libraries"].items():
        assert f"{name} {number}".lower() in version.lower()
    assert status["uses"]["parallel_dirops"] in (True, "mended")
    assert status["uses"]["expire_only"] in (True, False)


@pytest.mark.skipif(sanitizing.sanitizers_of(BUILD) != "none",
                    reason="sanitizers must be loaded first")
def test_a_libfuse_that_refuses_our_hook_is_done_without(standin, tmp_path):
    """A security fix of 3.18.3, which older releases may get as well."""
    source = tmp_path / "refuse.c"
    source.write_text("int fuse_session_custom_io(void) { return -95; }\n")
    library = tmp_path / "refuse.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source],
                   check=True)
    server = standin(assets=5)
    with Mount(server) as m:
        mended = m.status()["uses"]["parallel_dirops"] == "mended"
    with Mount(server, env={"LD_PRELOAD": str(library)}) as m:
        m.wait_complete()
        expected = False if mended else True
        assert m.status()["uses"]["parallel_dirops"] is expected


def test_every_line_of_the_log_is_ours(standin):
    """libfuse prints what the kernel answers to a notification: that a folder
    with a file that somebody has open is "not empty", for one."""
    server = standin(assets=20)
    with Mount(server, refresh=600) as m, contextlib.ExitStack() as held:
        for path in m.path.glob("*/*/metadata.json"):
            held.enter_context(path.open())
        server.delete(random=10, seed=1)
        m.refresh()
        assert m.status()["assets"]["all"] == 10
        assert [line for line in m.log().splitlines()
                if not line.startswith("twelvefs: ")] == []
