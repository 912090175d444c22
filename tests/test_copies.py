# SPDX-License-Identifier: MIT
"""Files that behave: what copies, archives and backs up takes them as they
are, a second time finds nothing new, and none of it fetches a picture."""
import os
import pathlib
import subprocess

import pytest

from mounting import PATIENCE_S, folders

ASSETS = 60


@pytest.fixture
def world(standin, mount, tmp_path):
    server = standin(assets=ASSETS, account="plain")
    m = mount(server, refresh=600)
    m.wait_complete()
    yield m, tmp_path
    assert server.stats()["requests"].get("picture", 0) == 0


def run(*words, env=None, cwd=None):
    result = subprocess.run(list(map(str, words)), capture_output=True,
                            text=True, timeout=PATIENCE_S, cwd=cwd,
                            env={**os.environ, **(env or {})})
    assert result.returncode == 0, result.stderr
    return result.stdout


def tree(top):
    """{path: content, or where a link leads} of all that is below. (os.walk
    would look where links lead.)"""
    found = {}
    folders_left = [str(top)]
    while folders_left:
        for entry in os.scandir(folders_left.pop()):
            key = os.path.relpath(entry.path, top)
            if entry.is_symlink():
                found[key] = os.readlink(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders_left.append(entry.path)
            else:
                found[key] = pathlib.Path(entry.path).read_bytes()
    return found


def test_cp(world):
    m, tmp = world
    run("cp", "-a", m.path, tmp / "copy")
    assert tree(tmp / "copy") == tree(m.path)
    source = next(m.path.glob("video/*/metadata.json"))
    copy = tmp / "copy" / source.relative_to(m.path)
    assert copy.stat().st_mtime == source.stat().st_mtime


def test_rsync_finds_nothing_new(world):
    m, tmp = world
    run("rsync", "-a", f"{m.path}/", tmp / "copy")
    assert tree(tmp / "copy") == tree(m.path)
    assert run("rsync", "-ai", f"{m.path}/", tmp / "copy") == ""
    assert run("rsync", "-aci", f"{m.path}/", tmp / "copy") == ""


def test_tar(world):
    m, tmp = world
    (tmp / "out").mkdir()
    run("tar", "-cf", tmp / "a.tar", "-C", m.path, ".")
    run("tar", "-xf", tmp / "a.tar", "-C", tmp / "out")
    assert tree(tmp / "out") == tree(m.path)
    assert run("tar", "-df", tmp / "a.tar", "-C", m.path) == ""


def test_git(world):
    m, tmp = world
    git = ("git", f"--git-dir={tmp}/git", f"--work-tree={m.path}", "-c",
           "user.name=x", "-c", "user.email=x@example.org", "-c",
           "safe.directory=*", "-c", "core.fileMode=false")
    run("git", "init", "-q", "--bare", tmp / "git")
    run(*git, "config", "core.bare", "false")
    run(*git, "add", "-A", cwd=m.path)
    run(*git, "commit", "-qm", "one", cwd=m.path)
    assert len(run(*git, "ls-files").splitlines()) >= ASSETS
    assert run(*git, "status", "--porcelain", cwd=m.path) == ""


def test_restic(world):
    m, tmp = world
    env = {"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(tmp / "repo"),
           "XDG_CACHE_HOME": str(tmp / "restic-cache")}
    run("restic", "init", env=env)
    run("restic", "backup", m.path, env=env)
    second = run("restic", "backup", m.path, env=env)
    assert "0 new,     0 changed" in second.split("Files:")[1].splitlines()[0]
    run("restic", "restore", "latest", "--target", tmp / "out", env=env)
    assert tree(f"{tmp}/out{m.path}") == tree(m.path)


def test_borg(world):
    m, tmp = world
    env = {"BORG_BASE_DIR": str(tmp), "BORG_REPO": str(tmp / "repo")}
    run("borg", "init", "-e", "none", env=env)
    run("borg", "create", "::one", ".", env=env, cwd=m.path)
    run("borg", "create", "::two", ".", env=env, cwd=m.path)
    assert run("borg", "diff", "::one", "two", env=env) == ""
    (tmp / "out").mkdir()
    run("borg", "extract", "::two", env=env, cwd=tmp / "out")
    assert tree(tmp / "out") == tree(m.path)


def test_numbers_and_attributes(world):
    m, _ = world
    count = run("df", "--output=iused", m.path).split()[-1]
    assert int(count) == ASSETS
    assert int(run("df", "-B1", "--output=used", m.path).split()[-1]) > 0
    folder = next(iter(folders(m).values()))
    listed = run("getfattr", "-d", "-m", "user.twelvelabs", folder)
    assert "user.twelvelabs." in listed
