# SPDX-License-Identifier: MIT
"""Other people's tools: what only looks costs no request, of the API or of the
CDN, though URLs expired; and from its second pass on hardly any of FUSE."""
import json
import os
import subprocess
import sys

import pytest

from mounting import STATUS_JSON, pictures
from test_query import drop_caches

COLOURS = {"LS_COLORS": "di=01;34:ln=01;36:or=40;31;01:mi=00:ex=01;32"}
PASSES = {
    "find": ["find", "."],
    "grep -r": ["grep", "-r", "no such text anywhere", "."],
    "du": ["du", "-s", "."],
    "tar": ["sh", "-c", "tar -cf - . | cat"],
    "ls -lR": ["ls", "-lR", "."],
    "rg": ["rg", "no such text anywhere"],
}
LOOKERS = {
    **PASSES,
    "tree": ["tree", "-aC"],
    "tree -l of one": ["sh", "-c", "tree -C video | tail -1"],
    "os.walk": [sys.executable, "-c",
                "import os; print(sum(len(f) for _, _, f in os.walk('.')))"],
    "rglob": [sys.executable, "-c", "import pathlib; "
              "print(sum(p.is_file() for p in pathlib.Path('.').rglob('*')))"],
    "fd": ["fdfind", "--hidden", "--color=always", "."],
    "find -xtype": ["find", ".", "-xtype", "l"],
    "find -ls": ["find", ".", "-ls"],
    "zsh": ["zsh", "-c", "print -l **/*(-.) | wc -l"],
    "bash": ["bash", "-c", "shopt -s globstar; printf '%s\\n' ** | wc -l"],
    "rg elsewhere": ["rg", "-uu", "no such text anywhere", "video"],
    "rg -L of one": ["sh", "-c", "rg no-such-text video/*"],
    "ls in colours": ["ls", "-lRF", "--color=always", "."],
    "ls -L of folders": ["sh", "-c", "ls -lLd video/*/*"],
    "node": ["node", "-e", "const fs = require('fs'); console.log(fs.readdirSync"
             "('.', {recursive: true, withFileTypes: true}).length)"],
    "rsync": ["rsync", "-an", "./", "/nowhere/"],
    "cp -r": ["sh", "-c", "cp -r video \"$COPY\""],
    "git": ["git", "-c", "core.trustctime=false", "grep", "--no-index", "-c",
            "no such text"],
}


@pytest.fixture(scope="module")
def account():
    from mounting import Mount
    from standin import Standin
    with Standin(assets=300) as server:
        server.signing(True, ttl_s=3600)
        with Mount(server, refresh=600) as m:
            m.wait_complete()
            server.expire()
            yield server, m


def run(m, command):
    return subprocess.run(command, cwd=m.path, check=False, text=True,
                          errors="replace", capture_output=True,
                          env={**os.environ, **COLOURS,
                               "COPY": str(m.home / "copy")})


@pytest.mark.parametrize("name", LOOKERS)
def test_a_look_costs_no_request(account, name):
    server, m = account
    before = server.stats()["requests"]
    done = run(m, LOOKERS[name])
    assert done.returncode in (0, 1) and \
        "Input/output error" not in done.stderr, done.stderr
    assert server.stats()["requests"] == before


def test_whoever_goes_in_has_the_pictures(account):
    """The other way round: a tool that follows links takes them along."""
    server, m = account
    before = server.stats()["requests"].get("picture", 0)
    some = sorted({p.parent.parent for p in pictures(m)})[:5]
    for folder in some:
        subprocess.run(["cp", "-rL", folder, m.home / folder.name], check=True)
        copied = list((m.home / folder.name / "media").glob("thumbnail.*"))
        assert len(copied) == 1 and copied[0].stat().st_size > 500
    # each is refused, for its URL expired, and asked for again
    assert server.stats()["requests"]["picture"] <= before + 2 * len(some)


def operations(m):
    """What the kernel asked so far; asking this is an ioctl itself."""
    counts = json.loads(m.command(STATUS_JSON))["fuse"]
    return {k: v for k, v in counts.items() if k not in ("waiting", "ioctl")}


@pytest.mark.parametrize("name", PASSES)
def test_the_second_pass_is_free(standin, mount, name):
    m = mount(standin(assets=2000), refresh=600)
    m.wait_complete()
    found = []
    for _ in range(3):  # whoever drops the kernel's caches meanwhile
        drop_caches()
        run(m, PASSES[name])
        before = operations(m)
        run(m, PASSES[name])
        after = operations(m)
        found.append({k: v - before.get(k, 0) for k, v in after.items()
                      if v != before.get(k, 0)})
        if sum(found[-1].values()) <= 10:
            return
    raise AssertionError(found)


def count(place, *test):
    found = subprocess.run(["find", place, *test], capture_output=True,
                           text=True, check=True)
    return len(found.stdout.splitlines())


@pytest.mark.parametrize("name", PASSES)
def test_a_first_pass_costs_what_it_must(standin, mount, name):
    """Two READDIRPLUS a directory and a READLINK a link, of files nothing;
    what can be changed through the mount adds nothing."""
    server = standin(assets=300)
    counting = mount(server, refresh=600)
    directories = count(counting.path, "-type", "d")
    links = count(counting.path, "-type", "l")
    m = mount(server, refresh=600)
    m.wait_complete()
    requests = server.stats()["requests"]
    before = operations(m)
    run(m, PASSES[name])
    spent = {k: v - before.get(k, 0) for k, v in operations(m).items()
             if k not in ("forget", "batch_forget")}
    assert spent.pop("readdirplus", 0) <= 2 * directories
    assert spent.pop("readlink", 0) <= links
    if name == "rg":  # .gitignore and the like, in each
        assert spent.pop("lookup") <= 6 * directories
    assert sum(spent.values()) <= 40, spent
    assert server.stats()["requests"] == requests


def test_a_folder_of_pictures_can_be_switched_off(standin, mount):
    server = standin(assets=60)
    m = mount(server, pictures="no")
    m.wait_complete()
    shown = list(pictures(m))
    assert len(shown) > 10
    for path in shown:
        with pytest.raises(PermissionError):
            path.read_bytes()
    assert server.stats()["requests"].get("picture", 0) == 0
    assert m.log().count("pictures=no") == 1
