# SPDX-License-Identifier: MIT
"""Starting and ending: exit statuses, one clear line, nothing left behind."""
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from mounting import BINARY, Mount, PATIENCE_S


def run(arguments, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TWELVE")}
    clean["XDG_CONFIG_HOME"] = "/nonexistent"
    return subprocess.run([str(BINARY), *map(str, arguments)],
                          env={**clean, **(env or {})}, capture_output=True,
                          text=True, timeout=PATIENCE_S)


def is_mounted(path):
    return str(path) in pathlib.Path("/proc/self/mounts").read_text()


@pytest.fixture
def point(tmp_path):
    path = tmp_path / "mnt"
    path.mkdir()
    yield path
    subprocess.run(["fusermount3", "-uzq", str(path)], check=False)


def one_line(result, *words):
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def test_help_and_version():
    assert "MOUNTPOINT" in run(["--help"]).stdout
    result = run(["--version"])
    assert result.returncode == 0 and result.stdout.startswith("twelvefs ")


def test_an_option_without_its_value_is_named():
    result = run(["-o"])
    assert result.returncode == 2
    one_line(result, "-o", "value")


def test_a_missing_key_is_named(point):
    result = run([point])
    assert result.returncode == 3
    one_line(result, "TWELVE_LABS_API_KEY")
    assert not is_mounted(point)


def test_a_refused_key_says_so(standin, point, tmp_path):
    server = standin(assets=5)
    env = {**server.env(), "TWELVE_LABS_API_KEY": "wrong-key-value"}
    result = run(["-o", f"cache_dir={tmp_path}/c", point], env)
    assert result.returncode == 4
    one_line(result, "refused", "key")
    assert "wrong-key-value" not in result.stderr
    assert not is_mounted(point)


def test_an_unreachable_host_is_one_line(point, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1.3"
    result = run(["-o", f"cache_dir={tmp_path}/c,timeout=3", point],
                 {"TWELVE_LABS_API_KEY": "k", "TWELVELABS_BASE_URL": url})
    assert result.returncode == 5
    one_line(result, url)
    assert not is_mounted(point)


def test_a_bad_base_url_is_a_usage_error(point, tmp_path):
    result = run(["-o", f"cache_dir={tmp_path}/c", point],
                 {"TWELVE_LABS_API_KEY": "k",
                  "TWELVELABS_BASE_URL": "ftp://host/v1.3"})
    assert result.returncode == 2
    one_line(result, "ftp://host/v1.3")


@pytest.mark.parametrize("arguments", [
    [], ["-o", "refresh=soon", "m"], ["-o", "refresh", "m"], ["--wrong", "m"], ["a", "b", "c"]])
def test_usage_errors(arguments):
    result = run(arguments, {"TWELVE_LABS_API_KEY": "k"})
    assert result.returncode == 2
    one_line(result)


def test_the_mount_point_must_be_an_empty_directory(standin, tmp_path):
    env = standin(assets=5).env()
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("")
    for path in (full, full / "x", tmp_path / "absent"):
        result = run(["-o", f"cache_dir={tmp_path}/c", path], env)
        assert result.returncode == 6
        one_line(result, str(path))


def test_it_returns_when_usable_and_ends_at_fusermount(standin, point,
                                                       tmp_path):
    server = standin(assets=120)
    result = run(["-o", f"cache_dir={tmp_path}/c", "account", point],
                 server.env())
    assert result.returncode == 0, result.stderr
    assert "_id" in next(point.glob("video/*/metadata.json")).read_text()
    line = next(l for l in pathlib.Path("/proc/self/mounts").read_text()
                .splitlines() if str(point) in l).split()
    assert line[0] == "account" and line[2] == "fuse.twelvefs"
    for flag in ("nosuid", "nodev", "noexec"):
        assert flag in line[3].split(",")
    assert "allow_other" not in line[3]
    subprocess.run(["fusermount3", "-u", str(point)], check=True)
    assert not is_mounted(point)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(standin, number):
    with Mount(standin(assets=30)) as m:
        m.process.send_signal(number)
        assert m.process.wait(timeout=PATIENCE_S) == 0
        assert not m.is_mounted()


def test_unmounting_ends_it_cleanly(standin):
    with Mount(standin(assets=30)) as m:
        assert m.unmount() == 0


def test_a_mount_whose_daemon_died_is_replaced(standin):
    server = standin(assets=30)
    with Mount(server) as m:
        m.kill()
        with pytest.raises(OSError):
            os.listdir(m.path)
        m.start()
        assert "video" in os.listdir(m.path)


@pytest.mark.parametrize("name", ["mnt/", "link", "link/", "./mnt//"])
def test_a_dead_mount_is_found_by_any_of_its_names(standin, name):
    server = standin(assets=30)
    with Mount(server) as m:
        (m.home / "link").symlink_to("mnt")
        m.kill()
        result = run(["-o", f"cache_dir={m.home}/c2", f"{m.home}/{name}"],
                     server.env())
        assert result.returncode == 0, result.stderr
        assert "video" in os.listdir(m.path)
        subprocess.run(["fusermount3", "-u", str(m.path)], check=True)


@pytest.mark.parametrize("name", ["mnt", "mnt/", "link", "./mnt//"])
def test_a_second_mount_on_one_point_is_refused(standin, name):
    server = standin(assets=30)
    with Mount(server) as m:
        (m.home / "link").symlink_to("mnt")
        result = run(["-o", f"cache_dir={m.home}/c2", f"{m.home}/{name}"],
                     server.env())
        assert result.returncode == 6
        one_line(result, "mounted there already")


def test_a_failing_key_command_says_so(point):
    result = run(["-o", "key_command=exit 3", point])
    assert result.returncode == 3
    one_line(result, "key_command failed (status 3)")


@pytest.mark.parametrize("ground", [[], ["-f"]], ids=["back", "fore"])
def test_an_option_that_mount_does_not_know_is_named(standin, point, tmp_path,
                                                     ground):
    result = run([*ground, "-o", f"cache_dir={tmp_path}/c,nosuchoption", point],
                 standin(assets=5).env())
    assert result.returncode == 2
    one_line(result, "nosuchoption")
    assert not is_mounted(point)


def test_words_for_fstab_are_no_hindrance(standin, point, tmp_path):
    words = "defaults,_netdev,nofail,noauto,user,x-systemd.automount,ro"
    result = run(["-o", f"cache_dir={tmp_path}/c,{words}", point],
                 standin(assets=5).env())
    assert result.returncode == 0, result.stderr
    subprocess.run(["fusermount3", "-u", str(point)], check=True)


def test_a_second_daemon_on_one_cache_explains_itself(standin, point):
    server = standin(assets=30)
    with Mount(server) as m:
        result = run(["-o", f"cache_dir={m.options['cache_dir']}", point],
                     server.env())
        assert result.returncode == 7
        one_line(result, "another twelvefs")


@pytest.mark.parametrize("cache", ["mnt/cache", "link/a/b"])
def test_a_cache_below_the_mount_point_is_refused(standin, point, cache):
    (point.parent / "link").symlink_to("mnt")
    result = run(["-o", f"cache_dir={point.parent / cache}", str(point)],
                 standin(assets=30).env())
    assert result.returncode == 7
    one_line(result, "below the mount point")
    assert os.listdir(point) == []


def test_only_the_mounting_user_gets_in(standin):
    with Mount(standin(assets=30)) as m:
        m.home.chmod(0o755)
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534",
                                 "--clear-groups", "ls", str(m.path)],
                                capture_output=True, text=True)
        assert result.returncode != 0
        assert "Permission denied" in result.stderr
