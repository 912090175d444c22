# SPDX-License-Identifier: MIT
"""A key is put down once: twelvefs login, the configuration file, accounts."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import termios

import pytest

from mounting import BINARY, Mount, PATIENCE_S
from waiting import within

KEY = "tlk_LOGIN0123456789abcdefghij"
MANUAL = pathlib.Path(__file__).resolve().parent.parent / "fs/share"


@pytest.fixture
def home(tmp_path):
    """A user's home; home.run(…) runs twelvefs in it."""
    return Home(tmp_path)


class Home:
    def __init__(self, path):
        self.path = path
        self.config = path / "config/twelvefs"
        self.point = path / "mnt"
        self.point.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(path),
                    "XDG_CONFIG_HOME": str(path / "config"),
                    "XDG_CACHE_HOME": str(path / "cache")}

    def run(self, *arguments, url=None, **more):
        env = {**self.env, **({"TWELVELABS_BASE_URL": url} if url else {})}
        return subprocess.run([str(BINARY), *map(str, arguments)], env=env,
                              capture_output=True, text=True,
                              timeout=PATIENCE_S, **more)

    def login(self, *name, key=KEY, url):
        return self.run("login", *name, url=url, input=key + "\n")

    def configure(self, text):
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "config").write_text(text)

    def mounts(self, *arguments, url=None):
        """Whether it mounts; it is unmounted again."""
        result = self.run(*arguments, self.point, url=url)
        assert result.returncode == 0, result.stderr
        assert os.path.ismount(self.point)
        listed = os.listdir(self.point)
        subprocess.run(["fusermount3", "-u", self.point], check=True)
        return "video" in listed


def test_login_then_mount_is_all(standin, home):
    server = standin(assets=12, key=KEY)
    result = home.login(url=server.api)
    assert result.returncode == 0, result.stderr
    assert "12 assets" in result.stdout
    assert KEY not in result.stdout + result.stderr
    kept = home.config / "key"
    assert kept.read_text() == KEY
    assert kept.stat().st_mode & 0o777 == 0o600
    assert home.config.stat().st_mode & 0o777 == 0o700
    assert home.mounts(url=server.api)
    assert os.listdir(home.config) == ["key"]


def test_a_refused_key_is_not_kept(standin, home):
    server = standin(assets=12, key=KEY)
    result = home.login(key="tlk_wrong", url=server.api)
    assert result.returncode == 4
    assert len(result.stderr.splitlines()) == 1
    assert "refused" in result.stderr and "tlk_wrong" not in result.stderr
    assert not home.config.exists()


@pytest.mark.parametrize("key", ["", "two words", "with\x01control"])
def test_what_is_no_key_is_not_even_tried(standin, home, key):
    server = standin(assets=12, key=KEY)
    result = home.login(key=key, url=server.api)
    assert result.returncode == 3
    assert not home.config.exists()
    assert server.stats()["requests"]["list"] == 0


def test_accounts_have_names(standin, home):
    """Each has its key; the environment's is no named account's."""
    work, mine = standin(assets=12, key=KEY), standin(assets=3, key="tlk_mine")
    home.configure(f"[work]\nbase_url = {work.api}\n"
                   f"[default]\nbase_url = {mine.api}\n")
    assert home.login("work", url=None).returncode == 0
    assert home.login(key="tlk_mine", url=None).returncode == 0
    assert sorted(os.listdir(home.config)) == ["config", "key", "work.key"]
    home.env["TWELVE_LABS_API_KEY"] = "tlk_mine"
    assert home.mounts("work:")
    assert home.mounts()
    assert work.stats()["key_leaks"] == mine.stats()["key_leaks"] == 0
    result = home.run("absent:", home.point)
    assert result.returncode == 3
    assert "'absent'" in result.stderr and "login absent" in result.stderr
    line = "work: " + str(home.point)
    home.run("work:", home.point)
    assert line in pathlib.Path("/proc/self/mounts").read_text()
    subprocess.run(["fusermount3", "-u", home.point], check=True)


def test_a_wrong_entry_is_named_with_its_line(home):
    home.configure("[work]\nrefresh = 5m\ntimout = 3\n")
    result = home.run("work:", home.point)
    assert result.returncode == 2
    assert result.stderr == (
        f"twelvefs: {home.config}/config:3: unknown option 'timout' "
        "(did you mean timeout=?)\n")


def on_terminal(home, arguments, url):
    """The command on a terminal of its own: (process, the master)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(BINARY), *arguments], stdin=slave, stdout=slave, stderr=slave,
        env={**home.env, "TWELVELABS_BASE_URL": url}, start_new_session=True)
    return process, master, slave


def echoes(slave):
    return bool(termios.tcgetattr(slave)[3] & termios.ECHO)


def test_a_terminal_is_asked_without_echo(standin, home):
    server = standin(assets=12, key=KEY)
    process, master, slave = on_terminal(home, ["login"], server.api)
    assert "API key of the account: " in os.read(master, 1024).decode()
    within(PATIENCE_S, lambda: not echoes(slave))
    os.write(master, KEY.encode() + b"\n")
    assert process.wait(timeout=PATIENCE_S) == 0
    assert echoes(slave)
    os.close(slave)
    assert KEY.encode() not in os.read(master, 4096)
    assert (home.config / "key").read_text() == KEY


def test_a_signal_gives_the_terminal_its_echo_back(standin, home):
    server = standin(assets=12, key=KEY)
    process, _, slave = on_terminal(home, ["login"], server.api)
    within(PATIENCE_S, lambda: not echoes(slave))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_S) == 8
    assert echoes(slave)


def test_a_kept_key_is_read_anew_at_sighup(standin, home):
    server = standin(assets=12, key=KEY)
    assert home.login(url=server.api).returncode == 0
    with Mount(server, env={"TWELVE_LABS_API_KEY": "",
                            "XDG_CONFIG_HOME": str(home.path / "config")}) as m:
        m.process.send_signal(signal.SIGHUP)
        within(PATIENCE_S, lambda: "read the API key again" in m.log())


def test_a_base_url_without_a_version_is_guessed(standin, home):
    server = standin(assets=3, key=KEY)
    result = home.login(url=server.api.rsplit("/", 1)[0])
    assert result.returncode == 5
    assert "base URL ends with the API's version" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def own_options():
    source = (MANUAL.parent / "options_table.c").read_text()
    return re.findall(r'^    \{"([a-z_]+)=?", ', source, flags=re.M)


@pytest.mark.parametrize("where", ["--help", "twelvefs.1",
                                   "bash-completion/twelvefs"])
def test_every_option_is_described(home, where):
    names = own_options()
    assert len(names) >= 16
    text = (home.run("--help").stdout if where == "--help"
            else (MANUAL / where).read_text())
    for name in names:
        assert re.search(rf"(?<![a-z_]){name}(?![a-z_])", text), name
