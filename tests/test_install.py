# SPDX-License-Identifier: MIT
"""What `meson install` puts where, and that it is well formed."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from mounting import PATIENCE_S

TOP = pathlib.Path(__file__).resolve().parent.parent
SHARE = TOP / "fs/share"

INSTALLED = {
    "bin/twelvefs", "sbin/mount.twelvefs", "share/man/man1/twelvefs.1",
    "share/man/man8/mount.twelvefs.8", "share/doc/twelvefs/LICENSE",
    "share/doc/twelvefs/README.md", "share/doc/twelvefs/NEWS",
    "lib/systemd/system/twelvefs@.service",
    "lib/systemd/user/twelvefs.service", "lib/systemd/user/twelvefs@.service",
    "share/bash-completion/completions/twelvefs",
    "share/zsh/site-functions/_twelvefs",
    "share/fish/vendor_completions.d/twelvefs.fish",
    "share/applications/twelvefs-url.desktop",
    "share/icons/hicolor/scalable/apps/twelvefs.svg",
    "libexec/twelvefs/open-url",
}


def configure(build, *options):
    subprocess.run(["meson", "setup", "--prefix=/usr", *options, build, TOP],
                   check=True, capture_output=True, timeout=PATIENCE_S * 5)
    plan = subprocess.run(["meson", "introspect", "--installed", build],
                          check=True, capture_output=True, text=True)
    return {os.path.relpath(p, "/usr") for p in json.loads(plan.stdout).values()}


def test_all_of_it_is_installed_and_no_test(tmp_path):
    placed = configure(tmp_path / "b", "-Dauto_features=disabled")
    assert placed == INSTALLED
    assert not (tmp_path / "b/tests").exists()


def test_units_go_where_systemd_says(tmp_path, monkeypatch):
    (tmp_path / "systemd.pc").write_text(
        "systemdsystemunitdir=/usr/etc/units\nsystemduserunitdir=/usr/etc/user\n"
        "Name: systemd\nDescription: somewhere else\nVersion: 1\n")
    monkeypatch.setenv("PKG_CONFIG_PATH", str(tmp_path))
    placed = configure(tmp_path / "b", "-Dauto_features=disabled")
    assert "etc/units/twelvefs@.service" in placed
    assert "etc/user/twelvefs.service" in placed


def open_url(tmp_path, content):
    """(status, what xdg-open was given)"""
    file = tmp_path / "a b;c.url"
    file.write_bytes(content)
    log = tmp_path / "opened"
    log.unlink(missing_ok=True)
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    fake = programs / "xdg-open"
    fake.write_text(f'#!/bin/sh\nfor a; do echo "$a" >>{log}; done\n')
    fake.chmod(0o755)
    result = subprocess.run(
        [SHARE / "open-url", file], capture_output=True, text=True,
        env={"PATH": f"{programs}:{os.environ['PATH']}"}, timeout=PATIENCE_S)
    return result.returncode, log.read_text() if log.exists() else None


def test_a_link_file_opens_its_address(standin, mount, tmp_path):
    m = mount(standin(assets=30))
    link = next(m.path.glob("video/*/*.url")).read_bytes()
    status, opened = open_url(tmp_path, link)
    assert status == 0
    assert opened.encode() == link.split(b"URL=")[1].split(b"\r\n")[0] + b"\n"


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "javascript:alert(1)", "-x", "--help", "https:",
    "", "smb://host/share", " https://x"])
def test_no_other_address_is_opened(tmp_path, url):
    status, opened = open_url(
        tmp_path, f"[InternetShortcut]\r\nURL={url}\r\n".encode())
    assert status == 1 and opened is None


def test_an_address_is_one_word(tmp_path):
    url = "https://h/$(touch x)`id`;a b?c=d&e='f'\"*"
    status, opened = open_url(
        tmp_path, f"[InternetShortcut]\r\nURL={url}\r\n".encode())
    assert status == 0 and opened == url + "\n"


@pytest.mark.skipif(not shutil.which("systemd-analyze"),
                    reason="systemd is not here")
def test_systemd_understands_the_units(tmp_path):
    """scripts/test-units tries them for real."""
    build = tmp_path / "b"
    configure(build, "-Dauto_features=disabled")
    for kind in ("system", "user"):
        units = tmp_path / kind
        units.mkdir()
        for source in (build / "fs/share").glob(f"{kind}-*.service"):
            text = source.read_text().replace("/usr/bin/twelvefs", "/bin/true")
            text = "\n".join(l for l in text.splitlines()
                             if not l.startswith("Documentation="))
            (units / source.name.removeprefix(f"{kind}-")).write_text(text)
        for unit in units.iterdir():
            result = subprocess.run(
                ["systemd-analyze", "verify", f"--{kind}",
                 str(unit).replace("@.", "@work.") if "@" in unit.name
                 else str(unit)],
                env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:",
                     "XDG_RUNTIME_DIR": str(tmp_path)},
                capture_output=True, text=True, timeout=PATIENCE_S)
            ours = [l for l in result.stderr.splitlines() if "twelvefs" in l]
            assert result.returncode == 0 and not ours, result.stderr
