# SPDX-License-Identifier: MIT
"""TAB in bash, zsh and fish, typed into a real shell on a terminal."""
import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest

from mounting import PATIENCE_S

SHARE = pathlib.Path(__file__).resolve().parent.parent / "fs/share"

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"],
             "PS1='READY> '; bind 'set enable-bracketed-paste off'; "
             f". {SHARE}/bash-completion/twelvefs; "
             "complete -F _twelvefs_in_mount ls"),
    "zsh": (["zsh", "-f", "-i"],
            f"PS1='READY> '; unset zle_bracketed_paste; fpath=({SHARE}/zsh "
            "$fpath); autoload -U compinit; compinit -u -d $HOME/dump"),
    "fish": (["fish", "--no-config", "-i"],
             "function fish_prompt; echo 'READY> '; end; "
             f"source {SHARE}/fish/twelvefs.fish"),
}


class Shell:
    """A shell on a terminal; tab(line) is the line after TAB was pressed."""

    def __init__(self, name, home):
        config = home / "config/twelvefs"
        config.mkdir(parents=True)
        (config / "config").write_text("[work]\nrefresh = 5\n[lab]\n")
        (config / "home2.key").write_text("k")
        words, setup = SHELLS[name]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb",
               "XDG_CONFIG_HOME": str(home / "config"), "LANG": "C.UTF-8",
               "COLUMNS": "500"}
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(words, stdin=slave, stdout=slave,
                                        stderr=slave, env=env, cwd=home,
                                        start_new_session=True)
        os.close(slave)
        self.text = ""
        self.type(f" {setup}; echo set-'up'\n")
        self.read_until("set-up")
        self.read_until("READY> ")

    def type(self, text):
        os.write(self.master, text.encode())

    def read_until(self, pattern):
        end = time.monotonic() + PATIENCE_S
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            left = end - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], \
                f"no {pattern!r} in {self.text!r}"
            self.text += os.read(self.master, 4096).decode(errors="replace")

    def tab(self, line, becomes):
        """Types line and TAB, sees what it becomes, and takes it back."""
        self.type(line + "\t")
        self.read_until(re.escape(becomes))
        self.type("\x15 echo go-'on'\n")
        self.read_until("go-on")
        self.read_until("READY> ")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture(params=["bash", "zsh"])
def shell(request, tmp_path):
    one = Shell(request.param, tmp_path)
    yield one
    one.close()


def test_options_and_accounts(shell):
    shell.tab("twelvefs -o refr", "twelvefs -o refresh=")
    shell.tab("twelvefs -o refresh=5m,tim", "refresh=5m,timeout=")
    shell.tab("twelvefs -o refresh=5m,log_level=de", "5m,log_level=debug")
    shell.tab("twelvefs log", "twelvefs login")
    shell.tab("twelvefs login wo", "twelvefs login work")
    shell.tab("twelvefs login hom", "twelvefs login home2")
    shell.tab("twelvefs wo", "twelvefs work:")
    shell.tab("twelvefs wat", "twelvefs watch")
    shell.tab("twelvefs watch --si", "twelvefs watch --since")
    for command in ("status", "deleted", "uploads"):
        shell.tab(f"twelvefs {command} --js", f"twelvefs {command} --json")
    shell.tab("twelvefs -o upload_done=re", "upload_done=remove")


def fish(home, line):
    script = f"source {SHARE}/fish/twelvefs.fish; complete -C '{line}'"
    result = subprocess.run(["fish", "--no-config", "-c", script], text=True,
                            env={"PATH": os.environ["PATH"],
                                 "HOME": str(home), "LANG": "C.UTF-8",
                                 "XDG_CONFIG_HOME": str(home / "config")},
                            cwd=home, capture_output=True, timeout=PATIENCE_S)
    assert result.stderr == ""
    return [l.split("\t")[0] for l in result.stdout.splitlines()]


def test_fish(tmp_path):
    config = tmp_path / "config/twelvefs"
    config.mkdir(parents=True)
    (config / "config").write_text("[work]\nrefresh = 5\n[lab]\n")
    assert fish(tmp_path, "twelvefs -o refr") == ["refresh="]
    assert fish(tmp_path, "twelvefs -o refresh=5m,tim") == [
        "refresh=5m,timeout="]
    assert fish(tmp_path, "twelvefs login ") == ["lab", "work"]
    assert "work:" in fish(tmp_path, "twelvefs wo")
    assert "login" in fish(tmp_path, "twelvefs log")
    assert "--since" in fish(tmp_path, "twelvefs watch --si")
    for command in ("status", "deleted", "uploads"):
        assert "--json" in fish(tmp_path, f"twelvefs {command} --js")


def test_keys_in_a_mount(standin, mount, tmp_path):
    m = mount(standin(assets=30))
    shell = Shell("bash", tmp_path)
    try:
        shell.tab(f"ls {m.path}/filen", "filename=")
        shell.tab(f"ls {m.path}/video/stat", "status=")
        shell.tab(f"ls {m.path}/vid", "video")
        shell.tab(f"ls {m.path}/user_m", "user_metadata.")
    finally:
        shell.close()
