# SPDX-License-Identifier: MIT
"""A seeded random sequence of account changes, faults and readings, each
observation held against what the promises allow.

    TWELVEFS_MODEL_SEED=7 TWELVEFS_MODEL_STEPS=20000 pytest tests/test_model.py

reruns a failing seed, which the failure names. The model: every asset is
known by its id with the span of states it had since the last poll that was
answered; a reading may show any state of that span, and nothing else. Several
readers of type and query directories pause and go on meanwhile: what existed
throughout one's reading must be shown to it, and nothing twice.
"""
import errno
import json
import os
import random

import pytest

from mounting import Mount, TAG

STEPS = int(os.environ.get("TWELVEFS_MODEL_STEPS", "400"))
SEEDS = [int(s) for s in
         os.environ.get("TWELVEFS_MODEL_SEED", "1 2 3").split()]
TYPES = {"video/mp4": "video", "image/jpeg": "image", "audio/mpeg": "audio",
         "application/pdf": "document", None: "other"}
NAMES = ["same.mp4", "a/b", "x=y.mp4", "täglich.pdf", "clip.mov", "same.mp4",
         "", "report 1.pdf", "UPPER.JPG"]
FAULTS = [dict(kind="reset"), dict(kind="html"), dict(kind="truncate"),
          dict(kind="status", status=503), dict(kind="partial_json")]
EXPECTED = {errno.EIO, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EAGAIN,
            errno.ENETUNREACH, errno.EINTR}


ROW = (1 << 33) - 1  # an inode number's asset part
READERS = 5
PLACES = ["video", "image", "other", "type=video,image,audio,document,other",
          "status=ready", "video/status=ready", "filename=same", "error=null",
          "filename=a/status=ready"]


def stands_in(place, asset):
    return all(stands_under(segment, asset) for segment in place.split("/"))


def stands_under(segment, asset):
    key, _, value = segment.partition("=")
    if key == "filename":
        return value in asset["filename"].casefold()
    if key in ("status", "error"):
        return True
    return TYPES[asset["file_type"]] in (value or key).split(",")


class Reader:
    """An open directory, read piece by piece. An asset's row, in its inode
    number, tells it from others; names may go from one to another."""

    def __init__(self, m, place, assets):
        self.place = place
        self.scan = os.scandir(m.path / place)
        self.must = {}
        for one, asset in assets.items():
            if stands_in(place, asset):
                number = os.stat(m.path / ".id" / one).st_ino
                self.must[number & ROW] = one
        self.shown = set()

    def go_on(self, count):
        """False when it was the last piece."""
        for entry in self.scan:
            row = entry.inode() & ROW
            assert row not in self.shown, f"{self.place}: a row twice"
            self.shown.add(row)
            count -= 1
            if count == 0:
                return True
        missing = [one for row, one in self.must.items()
                   if row not in self.shown]
        assert not missing, f"{self.place} lacks {missing}"
        return False

    def deleted(self, one):
        self.must = {row: i for row, i in self.must.items() if i != one}


class Model:
    """Per id: the notes it may show, None among them while it may be absent."""

    def __init__(self):
        self.now = {}      # id -> note
        self.allowed = {}  # id -> set of notes and None

    def create(self, one, note):
        self.now[one] = note
        self.allowed.setdefault(one, {None}).add(note)

    def delete(self, one):
        del self.now[one]
        self.allowed[one].add(None)

    def edit(self, one, note):
        self.now[one] = note
        self.allowed[one].add(note)

    def polled(self):
        """Creations and deletions are known now; edits may lag."""
        for one in list(self.allowed):
            if one in self.now:
                self.allowed[one].discard(None)
            else:
                self.allowed[one] = {None}

    def check_listing(self, seen):
        for one, notes in self.allowed.items():
            shown = seen.get(one)
            assert shown in notes, \
                f"{one} shows {shown!r}, allowed are {notes}"
        assert set(seen) <= set(self.allowed), "an asset nobody made"


class Run:
    """The account is made first (several pages of it), then mounted."""

    def __init__(self, server, seed):
        self.server = server
        self.dice = random.Random(seed)
        self.model = Model()
        self.notes = 0
        self.held = []  # (open metadata.json, id)
        self.assets = {}  # id -> what it was made with
        self.readers = []
        for _ in range(12):
            self.create()

    def mounted(self, m):
        self.m = m
        m.wait_complete()
        self.model.polled()

    def create(self):
        for _ in range(self.dice.choice((1, 1, 2, 30, 60))):
            self.notes += 1
            note = f"note {self.notes}"
            fields = {"filename": self.dice.choice(NAMES), "status": "ready",
                      "file_type": self.dice.choice(list(TYPES)),
                      "user_metadata": {"note": note}}
            one = self.server.create(1, fields=fields, status="ready")[0]
            self.model.create(one, note)
            self.assets[one] = fields

    def delete(self):
        if not self.model.now:
            return
        count = self.dice.choice((1, 1, 2, 7, len(self.model.now) // 3))
        gone = self.dice.sample(sorted(self.model.now),
                                min(count, len(self.model.now)))
        self.server.delete(gone)
        for one in gone:
            self.forget(one)

    def forget(self, one):
        self.model.delete(one)
        del self.assets[one]
        for reader in self.readers:
            reader.deleted(one)

    def remove(self):
        """By rmdir: what succeeds is gone from the account, whatever fails has
        changed nothing."""
        if not self.model.allowed:
            return
        one = self.dice.choice(sorted(self.model.allowed))
        self.lose_answer("delete")
        try:
            os.rmdir(self.m.path / ".id" / one)
        except FileNotFoundError:
            assert None in self.model.allowed[one]
            return
        finally:
            self.server.clear_faults()
        self.removed(one)

    def removed(self, one):
        assert one not in self.server.ids()
        if one in self.model.now:
            self.forget(one)

    def remove_by_name(self):
        """What goes is what the name was seen to stand for, or nothing."""
        kind = self.m.path / self.dice.choice(("video", "image", "audio"))
        names = sorted(os.listdir(kind))
        if not names:
            return
        folder = kind / self.dice.choice(names)
        try:
            one = json.loads((folder / "metadata.json").read_text())["_id"]
        except FileNotFoundError:
            return  # gone, and nobody was told yet
        before = set(self.server.ids())
        self.lose_answer("delete")
        try:
            os.rmdir(folder)
        except OSError as failure:
            assert failure.errno in (errno.EBUSY, errno.ENOENT)
            assert set(self.server.ids()) == before
            return
        finally:
            self.server.clear_faults()
        assert before - set(self.server.ids()) <= {one}
        self.removed(one)

    def lose_answer(self, kind):
        """Sometimes it is done and never said, or refused at first."""
        lost = self.dice.choice((None, None, "lost_answer", "status"))
        if lost:
            self.server.fault(lost, {"kind": kind, "count": 1}, status=429,
                              headers={"retry-after-ms": "5"})

    def tag(self):
        """Once it is done it is what everybody sees."""
        if not self.model.allowed:
            return
        one = self.dice.choice(sorted(self.model.allowed))
        self.notes += 1
        note = f"note {self.notes}"
        self.lose_answer("metadata")
        try:
            self.m.command(TAG, json.dumps({"note": note}),
                           place=f".id/{one}")
        except OSError as failure:
            assert failure.errno == errno.ENOENT
            assert None in self.model.allowed[one]
            return
        finally:
            self.server.clear_faults()
        assert one in self.model.now
        self.model.now[one] = note
        self.model.allowed[one] = {note}
        stored = json.loads(self.server.raw(one))["user_metadata"]
        assert stored["note"] == note

    def edit(self):
        if not self.model.now:
            return
        one = self.dice.choice(sorted(self.model.now))
        self.notes += 1
        note = f"note {self.notes}"
        self.server.edit(one, {"user_metadata": {"note": note}})
        self.model.edit(one, note)

    def poll(self):
        self.m.refresh()
        self.model.polled()

    def fault(self):
        fault = dict(self.dice.choice(FAULTS))
        self.server.fault(fault.pop("kind"),
                          match={"origin": "api",
                                 "count": self.dice.choice((1, 2, 50))},
                          **fault)
        try:
            self.m.refresh()
            self.model.polled()
        except OSError as failure:
            assert failure.errno in EXPECTED
        self.server.clear_faults()

    def listing(self):
        seen, names = {}, set()
        for kind in set(os.listdir(self.m.path)) - {"pictures"}:
            for entry in os.scandir(self.m.path / kind):
                assert entry.name not in names, f"{entry.name} stands twice"
                names.add(entry.name)
                text = open(f"{entry.path}/metadata.json",
                            encoding="utf-8").read()
                asset = json.loads(text)
                assert asset["_id"] not in seen, f"{asset['_id']} is twice"
                assert TYPES[asset.get("file_type")] == kind
                seen[asset["_id"]] = asset["user_metadata"]["note"]
        self.model.check_listing(seen)

    def by_id(self):
        if not self.model.allowed:
            return
        one = self.dice.choice(sorted(self.model.allowed))
        try:
            text = (self.m.path / ".id" / one / "metadata.json").read_text()
            shown = json.loads(text)["user_metadata"]["note"]
        except FileNotFoundError:
            shown = None
        assert shown in self.model.allowed[one]

    def hold(self):
        """Opens an asset's file and keeps it; whatever happens to the asset,
        the file never becomes another's."""
        if not self.model.now:
            return
        one = self.dice.choice(sorted(self.model.now))
        try:
            held = open(self.m.path / ".id" / one / "metadata.json", "rb")
        except FileNotFoundError:
            assert None in self.model.allowed[one]
            return
        self.held.append((held, one))
        if len(self.held) > 8:
            self.held.pop(0)[0].close()

    def look_at_held(self):
        for held, one in self.held:
            try:
                held.seek(0)
                text = held.read()
            except OSError:
                continue  # gone
            if text:
                assert json.loads(text)["_id"] == one, "another's file"

    def begin(self):
        """What isn't known to the mount yet needn't be shown."""
        known = {one: asset for one, asset in self.assets.items()
                 if None not in self.model.allowed[one]}
        place = self.dice.choice(PLACES)
        self.readers.append(Reader(self.m, place, known))
        if len(self.readers) > READERS:
            self.readers.pop(0)

    def go_on(self):
        if not self.readers:
            return
        reader = self.dice.choice(self.readers)
        if not reader.go_on(self.dice.choice((1, 100, 300, 10**6))):
            self.readers.remove(reader)

    def done(self):
        for held, _ in self.held:
            held.close()

    def query(self):
        word = self.dice.choice(("same", "clip", "täg", "upper"))
        shown = set()
        for entry in os.scandir(self.m.path / f"filename={word}"):
            text = open(f"{entry.path}/metadata.json",
                        encoding="utf-8").read()
            asset = json.loads(text)
            assert word in asset["filename"].casefold()
            shown.add(asset["_id"])
        for one in shown:
            assert self.model.allowed[one] - {None}

    def steps(self, count):
        actions = [(self.create, 5), (self.delete, 3), (self.edit, 4),
                   (self.poll, 6), (self.fault, 1), (self.listing, 8),
                   (self.by_id, 8), (self.query, 3), (self.hold, 4),
                   (self.remove, 3), (self.remove_by_name, 2), (self.tag, 4),
                   (self.look_at_held, 4), (self.begin, 3), (self.go_on, 8)]
        for step in range(count):
            action = self.dice.choices([a for a, _ in actions],
                                       [w for _, w in actions])[0]
            try:
                action()
            except AssertionError as failure:
                raise AssertionError(
                    f"step {step} ({action.__name__}): {failure}") from None


@pytest.mark.parametrize("seed", SEEDS)
def test_every_reading_is_allowed(seed):
    from standin import Standin
    with Standin(assets=0, seed=seed) as server:
        run = Run(server, seed)
        with Mount(server, refresh=600, timeout=3, rpm=100000, rw=True,
                   delete="safe", delete_rate=100000) as m:
            run.mounted(m)
            try:
                run.steps(STEPS)
            finally:
                run.done()
