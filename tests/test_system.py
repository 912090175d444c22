# SPDX-License-Identifier: MIT
"""At home in the system: mount(8), fstab's words, service managers, logs."""
import itertools
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S, folders
from waiting import within

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts as root")


@pytest.fixture
def point(tmp_path):
    path = tmp_path / "mnt"
    path.mkdir()
    yield path
    subprocess.run(["umount", "-l", "-q", path], check=False)


@pytest.fixture
def helper(tmp_path):
    """twelvefs under the name by which mount(8) calls it."""
    link = tmp_path / "mount.twelvefs"
    link.symlink_to(BINARY)
    return link


def environment(server, tmp_path):
    return {"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": str(tmp_path / "c"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"), **server.env()}


def run(arguments, env, **more):
    return subprocess.run(list(map(str, arguments)), env=env,
                          capture_output=True, text=True, timeout=PATIENCE_S,
                          **more)


def flags(path):
    """What the kernel says of the mount on path."""
    lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    fields = [l.split() for l in lines if l.split()[1] == str(path)]
    return fields[-1][3].split(",") if fields else None


def test_mount_8_starts_it_as_its_helper(standin, tmp_path, point, helper):
    env = environment(standin(assets=5), tmp_path)
    words = "rw,noauto,nofail,relatime,dev,suid,x-systemd.automount"
    assert run([helper, "mine", point, "-f", "-o", words], env).returncode == 0
    assert flags(point) is None  # mount -f: all but that
    result = run([helper, "mine", point, "-n", "-o", words, "-t", "twelvefs"],
                 env)
    assert result.returncode == 0, result.stderr
    assert {"nosuid", "nodev", "noexec"} <= set(flags(point))
    assert run([helper, "x", point, "-o", "banana"], env).returncode == 2
    assert "'banana'" in run([helper, "x", point, "-o", "banana"], env).stderr


@as_root
def test_a_line_of_fstab_asks_for_write(standin, tmp_path, point, helper):
    env = environment(standin(assets=5), tmp_path)
    result = run([helper, "x", point, "-o", "rw,delete=safe"], env)
    assert result.returncode == 2 and "without write" in result.stderr
    line = "rw,write,delete=safe,nodiratime,nosymfollow"
    result = run([helper, "x", point, "-o", line], env)
    assert result.returncode == 0, result.stderr
    assert "rw" in flags(point)
    for word in ("ro", "rw"):
        result = run([helper, "x", point, "-o",
                      f"remount,{line},{word}"], env)
        assert result.returncode == 0, result.stderr
        assert word in flags(point)


@as_root
def test_rw_of_mount_fuse3_is_not_ours(standin, tmp_path, point):
    env = environment(standin(assets=5), tmp_path)
    env["PATH"] = f"{BINARY.parent}:{env['PATH']}"
    result = run(["mount.fuse3", "twelvefs#mine", point, "-o", "rw"], env)
    assert result.returncode == 0, result.stderr
    assert "ro" in flags(point)


@as_root
def test_a_remount_changes_the_kernels_flags(standin, tmp_path, point, helper):
    env = environment(standin(assets=5), tmp_path)
    result = run([helper, "mine", point, "-o", "remount,ro"], env)
    assert result.returncode == 6 and "no twelvefs" in result.stderr
    assert run([BINARY, point], env).returncode == 0
    result = run([helper, "mine", point, "-o", "remount,ro,noatime"], env)
    assert result.returncode == 0 and result.stderr == ""
    assert {"ro", "noatime", "nosuid", "nodev", "noexec"} <= set(flags(point))
    result = run([helper, "mine", point, "-o", "remount,rw,refresh=5m"], env)
    assert result.returncode == 0
    assert "refresh=" in result.stderr and "mount again" in result.stderr
    assert "ro" in flags(point)  # mount(8) says rw unasked
    assert "video" in os.listdir(point)


@as_root
def test_a_mount_that_was_made_before_us_is_served(standin, tmp_path, point):
    """mount.fuse3 opens /dev/fuse, mounts, gives up its rights, and hands
    us /dev/fd/N."""
    env = environment(standin(assets=5), tmp_path)
    env["PATH"] = f"{BINARY.parent}:{env['PATH']}"
    result = run(["mount.fuse3", "twelvefs#mine", point, "-o",
                  "drop_privileges,ro"], env)
    assert result.returncode == 0, result.stderr
    assert "video" in os.listdir(point)
    assert "ro" in flags(point)


@as_root
def test_roots_mount_can_be_somebody_elses(standin, tmp_path):
    tmp_path.chmod(0o755)
    with Mount(standin(assets=30), allow_other=True, uid=1234, gid=4321,
               umask="027") as m:
        m.home.chmod(0o755)
        for path in folders(m).values():
            for one in (path, path / "metadata.json"):
                st = one.stat()
                assert (st.st_uid, st.st_gid) == (1234, 4321)
                assert st.st_mode & 0o027 == 0 and st.st_mode & 0o400
        for uid, gid, allowed in ((1234, 1, True), (1, 4321, True),
                                  (1, 1, False)):
            result = run(["setpriv", f"--reuid={uid}", f"--regid={gid}",
                          "--clear-groups", "ls", m.path], os.environ)
            assert (result.returncode == 0) == allowed, (uid, gid)


def test_it_can_wait_for_all(standin, tmp_path, point):
    server = standin(assets=3000, latency_ms=20)
    env = environment(server, tmp_path)
    result = run([BINARY, "--wait", point], env)
    assert result.returncode == 0 and result.stderr == ""
    asked = server.stats()["requests"]["list"]
    assert asked >= 60
    listed = sum(len(os.listdir(point / t))
                 for t in ("video", "image", "audio", "document"))
    assert listed >= 2900
    assert server.stats()["requests"]["list"] == asked


def test_a_wait_ends_at_a_signal(standin, tmp_path, point):
    server = standin(assets=3000)
    server.fault("stall", match={"kind": "list", "nth": 3})
    process = subprocess.Popen([BINARY, "--wait", point],
                               env=environment(server, tmp_path),
                               stderr=subprocess.PIPE, text=True)
    server.wait("list", 3)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 8 and "stopped" in words
    assert flags(point) is None


def on_terminal(arguments, env):
    """All that it writes to a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(list(map(str, arguments)), env=env, stdin=slave,
                               stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 4096):
            text += chunk
    except OSError:
        pass  # the last one who had it has gone
    os.close(master)
    assert process.wait(timeout=PATIENCE_S) == 0
    return text.decode()


def test_on_a_terminal_it_says_how_far_it_is(standin, tmp_path, point):
    server = standin(assets=20000, latency_ms=40)
    env = environment(server, tmp_path)
    text = on_terminal([BINARY, point], env)
    assert re.search(r"mounted; reading [\d,]+ assets", text), text
    subprocess.run(["fusermount3", "-u", point], check=True)
    shutil.rmtree(tmp_path / "cache")
    text = on_terminal([BINARY, "--wait", point], env)
    assert re.search(r"\[#*\.+\] +\d+ %  [\d,]+ of [\d,]+ assets", text), text
    assert re.search(r"mounted; [\d,]+ assets", text), text


def test_a_cache_that_had_to_go_elsewhere_is_said(standin, tmp_path, point):
    env = environment(standin(assets=5), tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = run([BINARY, "-o", f"cache_dir={blocked}/cache", point],
                 {**env, "TMPDIR": "/tmp"})
    assert result.returncode == 0
    line, = result.stderr.splitlines()
    assert str(blocked) in line and "for this run" in line


def test_the_service_manager_is_told(standin):
    """That it is usable, that all was read, that it ends."""
    server = standin(assets=3000)
    server.fault("stall", match={"kind": "list", "nth": 3})
    with Mount(server, wait=False) as m:
        m.ready.settimeout(PATIENCE_S)
        assert m.ready.recv(512) == (
            b"READY=1\nSTATUS=mounted; reading 3,000 assets")
        server.clear_faults()
        assert m.ready.recv(512) == b"STATUS=mounted; 3,000 assets"
        m.process.send_signal(signal.SIGTERM)
        assert m.process.wait(timeout=PATIENCE_S) == 0
        assert m.ready.recv(512) == b"STOPPING=1"


def test_the_log_has_a_file_that_can_be_put_away(standin, tmp_path):
    log, old = tmp_path / "log", tmp_path / "log.1"
    with Mount(standin(assets=30), log_file=log, log_level="debug") as m:
        m.wait_complete()
        line = r"[\d-]+T[\d:]+Z \w"
        text = log.read_text()
        assert all(re.match(line, l) for l in text.splitlines()), text
        assert log.stat().st_mode & 0o777 == 0o600
        assert re.search(r'walk: GET "\S+/assets\?page=1&page_limit=50": '
                         r"HTTP 200, \d+ ms", text), text
        assert m.log() == ""
        log.rename(old)
        m.process.send_signal(signal.SIGHUP)
        within(PATIENCE_S, log.exists)
        m.refresh()
        assert "poll: GET" in log.read_text()
        assert "poll: GET" not in old.read_text()[len(text):]
    result = run([BINARY, "-o", "log_file=/nonexistent/log", m.home],
                 {"TWELVE_LABS_API_KEY": "k", "XDG_CONFIG_HOME": "/nonexistent"})
    assert result.returncode != 0


def test_a_log_file_that_cannot_be_is_named(tmp_path, point):
    result = run([BINARY, "-o", "log_file=/nonexistent/log", point],
                 {"TWELVE_LABS_API_KEY": "k", "XDG_CONFIG_HOME": "/nonexistent"})
    assert result.returncode == 2
    assert "log_file=: cannot open /nonexistent/log: No such" in result.stderr


def test_a_log_that_becomes_a_pipe_holds_nothing_up(standin, tmp_path, point):
    log = tmp_path / "log"
    with Mount(standin(assets=5), log_file=log) as m:
        m.wait_complete()
        old = tmp_path / "log.1"
        log.rename(old)
        os.mkfifo(log)
        m.process.send_signal(signal.SIGHUP)
        within(PATIENCE_S, lambda: "not a regular file" in old.read_text())
        m.refresh()
        subprocess.run(["fusermount3", "-u", m.path], check=True)
        assert m.process.wait(timeout=PATIENCE_S) == 0
    result = run([BINARY, "-o", f"log_file={log}", point],
                 {"TWELVE_LABS_API_KEY": "k", "XDG_CONFIG_HOME": "/nonexistent"})
    assert result.returncode == 2
    assert "not a regular file" in result.stderr


def test_the_level_decides_what_is_logged(standin):
    server = standin(assets=30)
    with Mount(server, log_level="error", timeout=2) as m:
        m.wait_complete()
        server.fault("status", status=503, match={"kind": "list", "count": -1})
        with pytest.raises(OSError):
            m.refresh()
        assert m.log() == ""


def test_a_cdns_errors_are_logged_once(standin):
    server = standin(assets=60, account="plain")
    with Mount(server, timeout=1, log_level="debug") as m:
        m.wait_complete()
        server.fault("status", status=503,
                     match={"kind": "picture", "count": -1})
        refused = 0
        for path in itertools.islice(m.path.glob(".pictures/*"), 5):
            try:
                path.read_bytes()
            except OSError:
                refused += 1
        assert refused > 3
        said = [l for l in m.log().splitlines() if "a picture" in l]
        assert len(said) == 1 and "HTTP 503" in said[0]
        assert "?" not in said[0]


@as_root
def test_a_container_sees_a_mount_that_is_made_anew(standin, tmp_path):
    """What podman's rslave and Kubernetes' HostToContainer do: the directory
    above the mount point, bound into a name space that follows the host's."""
    server = standin(assets=30)
    with Mount(server, allow_other=True) as m:
        inside = tmp_path / "inside"
        inside.mkdir()
        script = (f"mount --rbind {m.home} {inside} && "
                  f"mount --make-rslave {inside} && echo bound && "
                  f"while read -r line; do stat -c %d {inside}/mnt/video; done")
        m.stop()
        subprocess.run(["mount", "--bind", m.home, m.home], check=True)
        subprocess.run(["mount", "--make-shared", m.home], check=True)
        try:
            m.start()
            with subprocess.Popen(
                    ["unshare", "--mount", "--propagation", "unchanged",
                     "sh", "-c", script], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, text=True) as container:
                assert container.stdout.readline() == "bound\n"

                def device():
                    container.stdin.write("\n")
                    container.stdin.flush()
                    return int(container.stdout.readline())

                assert device() == (m.path / "video").stat().st_dev
                m.kill()
                m.start()
                assert device() == (m.path / "video").stat().st_dev
                m.process.send_signal(signal.SIGTERM)
                m.process.wait(timeout=PATIENCE_S)
                container.stdin.close()
        finally:
            m.stop()
            subprocess.run(["umount", "-R", m.home], check=True)
