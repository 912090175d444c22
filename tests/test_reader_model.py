# SPDX-License-Identifier: MIT
"""Several readers at once, each at its own pace, while the account changes
and the server has its quirks: what a listing must show, not only what it may.

    TWELVEFS_READER_SEED=7 TWELVEFS_READER_STEPS=20000 \\
        pytest tests/test_reader_model.py

reruns a failing seed, which the failure names. A reader begins a directory or
an .assets.ndjson, reads some pieces, pauses, reads on, seeks back, and in the
end has to have seen, exactly once, each asset that was known when it began
and existed until it ended; and none that was known to be gone before: before
it began, or, in a directory, before an earlier reader began that hadn't come
to the end (the kernel completes the listing that one left behind). Every
choice is the seed's; nothing waits for a time to pass, since what a pause
costs (rows no longer kept) is brought about by reading other directories.

What a seed does is a list of steps, plain values that do() takes. A failure
prints them; tests/shrink_reader_model.py leaves out what isn't needed for it.
"""
import errno
import json
import os
import random
import typing

import pytest

from mounting import Mount, MountFailed, folders
from reading import SMALLEST, DirectoryReader, FileReader
from waiting import within

STEPS = int(os.environ.get("TWELVEFS_READER_STEPS", "200"))
SEEDS = [int(s) for s in
         os.environ.get("TWELVEFS_READER_SEED", "1 2 3").split()]
TYPES = {"video/mp4": "video", "image/jpeg": "image", "audio/mpeg": "audio",
         "application/pdf": "document"}
WORDS = ["keynote", "meeting", "clip"]
TEAMS = ["red", "blue"]
DIRECTORIES = ["video", "image", "audio", "document", "filename=keynote",
               "filename=clip/user_metadata.team=red", "type=video,image",
               "video/user_metadata.team=blue", "image/filename=meeting",
               "user_metadata.team=red", "status=ready", ".pictures",
               "video/.pictures", "filename=clip/.pictures"]
FILES = [".assets.ndjson", "video/.assets.ndjson",
         "filename=keynote/.assets.ndjson",
         "user_metadata.team=blue/.assets.ndjson"]
# Others' directories, in which a mount could keep rows in place of ours.
OTHERS = [f"user_metadata.number={n}..{n + 500}" for n in range(300)]
READERS_MAX = 6
FIRST_S = 1_700_000_000  # when the account begins
TROUBLE = {errno.EIO, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EAGAIN,
           errno.ENETUNREACH}
# What a listing may say while the server contradicts itself: it never ends
# early, and never in silence.
REFUSALS = TROUBLE | {errno.ESTALE}


class Quirk(typing.NamedTuple):
    """past: answers may be of the past, so that what a poll brought says
    nothing about now. unsound: no listing needs to succeed meanwhile."""

    name: str
    values: dict
    past: bool = False
    unsound: bool = False
    unmountable: bool = False


QUIRKS = [
    Quirk("total_frozen", {"total_frozen": 1}),
    Quirk("total_too_low", {"total_delta": -60}),
    Quirk("total_too_high", {"total_delta": 35}),
    Quirk("total_jumps", {"total_jump": 40}, unsound=True),
    Quirk("total_absent", {"total_form": "absent"},
          unmountable=True),
    Quirk("total_text", {"total_form": "string"},
          unmountable=True),
    Quirk("no_page_info", {"total_form": "no_page_info"},
          unmountable=True),
    Quirk("ties_random", {"ties": "random"}, unsound=True),
    Quirk("ties_by_query", {"ties": "by_query"}),
    Quirk("capped", {"page_cap": 20}, unsound=True, unmountable=True),
    Quirk("capped_silently", {"page_cap": 20, "page_cap_says": "asked"},
          unsound=True),
    Quirk("stale_alternating", {"stale_frozen": 1, "stale_every": 2},
          past=True, unsound=True),
    Quirk("stale_sometimes", {"stale_frozen": 1, "stale_every": 5}, past=True,
          unsound=True),
    Quirk("stale", {"stale_frozen": 1}, past=True),
]
FAULTS = [dict(kind="reset"), dict(kind="html"), dict(kind="truncate"),
          dict(kind="status", status=503), dict(kind="partial_json"),
          dict(kind="status", status=404), dict(kind="status", status=410),
          dict(kind="status", status=429, body="")]


class Asset:
    def __init__(self, raw, created):
        self.id, self.name = raw["_id"], raw["filename"]
        self.type = TYPES[raw["file_type"]]
        self.team = raw["user_metadata"]["team"]
        self.picture = bool(raw.get("thumbnail", {}).get("representative_url"))
        self.created, self.deleted = created, None  # moments

    def meets(self, part):
        """Whether it is in a directory as far as this part of its path says."""
        key, _, value = part.partition("=")
        return {"": True, ".pictures": self.picture,
                "type": self.type in value.split(","),
                "filename": value in self.name,
                "user_metadata.team": self.team == value,
                "status": True}.get(key, self.type == part)


class Account:
    """Moments are counted; `known` is the last up to which creations are
    known to the mount, `cleared` up to which deletions are."""

    def __init__(self, server):
        self.server = server
        self.assets = {}  # by name
        self.unfinished = {}  # directory: `cleared` when a reader began first
        self.moment = self.known = self.cleared = 0

    def create(self, at, assets):
        """(name, file_type, team) each, all in one second."""
        self.moment += 1
        for name, file_type, team in assets:
            fields = {"filename": name, "status": "ready",
                      "file_type": file_type,
                      "user_metadata": {"team": team,
                                        "number": len(self.assets)}}
            one = self.server.create(1, fields=fields, status="ready",
                                     created_at=at)[0]
            self.assets[name] = Asset(json.loads(self.server.raw(one)),
                                      self.moment)

    def delete(self, names):
        self.moment += 1
        gone = [self.assets[n] for n in names
                if n in self.assets and self.assets[n].deleted is None]
        if gone:
            self.server.delete([a.id for a in gone])
        for asset in gone:
            asset.deleted = self.moment


class Reader:
    """One listing under way, and what it owes."""

    def __init__(self, account, mount, place):
        self.account, self.mount, self.place = account, mount, place
        self.is_file = place.endswith(".assets.ndjson")
        self.where = place.removesuffix(".assets.ndjson").rstrip("/")
        self.past = False  # whether answers were of the past meanwhile
        self.begin()
        cls = FileReader if self.is_file else DirectoryReader
        self.source = cls(mount.path / place)

    def begin(self):
        self.known, self.cleared = self.account.known, self.account.cleared
        if not self.is_file:
            self.cleared = self.account.unfinished.setdefault(
                self.place, self.cleared)

    def those(self, condition):
        return {a.name for a in self.account.assets.values()
                if condition(a) and all(map(a.meets, self.where.split("/")))}

    def must(self):
        return self.those(lambda a: a.created <= self.known
                          and a.deleted is None)

    def may(self):
        return self.those(lambda a: a.deleted is None
                          or a.deleted > self.cleared)

    def shown(self):
        if self.is_file:
            return [json.loads(line)["filename"]
                    for line in self.source.text.splitlines()]
        names = [n for n in self.source.names() if not n.startswith(".")]
        if ".pictures" not in self.place:
            return names
        return [n[:n.index(".mp4") + 4] for n in names]

    def tell(self, names):
        """Of some: moments of creation and deletion, and whether a lookup
        finds them now."""
        assets = [self.account.assets[n] for n in sorted(names)[:4]]
        found = [os.path.lexists(self.mount.path / ".id" / a.id)
                 for a in assets]
        return f"{[(a.name, a.created, a.deleted) for a in assets]} " \
            f"found {found}; known {self.known}, cleared {self.cleared}, " \
            f"now {self.account.moment}"

    def check(self):
        shown = self.shown()
        seen = set(shown)
        # Gone and back again, for who asks a server of two minds: a new one.
        twice = set() if self.past else {n for n in seen if shown.count(n) > 1}
        assert not twice, f"{self.place} shows twice: {self.tell(twice)}"
        must = self.must()
        lost = must - seen
        assert not lost, f"{self.place} lost {len(lost)} of {len(must)}: " \
            f"{self.tell(lost)}"
        ghosts = seen - self.may()
        assert not ghosts, \
            f"{self.place} shows what is gone: {self.tell(ghosts)}"


class Refused(Exception):
    """A reading that may fail failed: while the server is of two minds, and
    at any time when a version of .assets.ndjson is gone."""


class Run:
    """Does steps. One that is about a reader or an asset that isn't there is
    passed over, so that any part of a list of steps can be done."""

    def __init__(self, server, mount=None):
        self.server, self.mount = server, mount
        self.account = Account(server)
        self.readers = {}
        self.quirk = None
        self.whole = self.refused = 0

    def mounted(self, mount):
        self.mount = mount
        mount.wait_complete()
        self.account.known = self.account.cleared = self.account.moment

    def do(self, action, *arguments):
        try:
            getattr(self, "do_" + action)(*arguments)
        except Refused:
            self.refused += 1

    def do_create(self, at, assets):
        self.account.create(at, assets)

    def do_delete(self, names):
        self.account.delete(names)

    def do_poll(self):
        try:
            self.mount.refresh()
        except OSError as failure:
            assert self.quirk and self.quirk.unsound and \
                failure.errno in TROUBLE, failure
            return
        if not self.quirk:
            self.account.known = self.account.cleared = self.account.moment
        elif not self.quirk.past:
            self.account.known = self.account.moment

    def do_quirk(self, quirk):
        self.quirk = quirk
        self.server.quirk(**quirk.values)
        if quirk.past:
            for reader in self.readers.values():
                reader.past = True

    def do_calm(self):
        """As documented again, and everything known."""
        self.server.clear_quirks()
        self.quirk = None
        within(60, self.is_believed, "a poll")
        self.do_poll()

    def is_believed(self):
        """While the server contradicted itself it was left alone a while."""
        try:
            self.mount.refresh()
            return True
        except OSError as failure:
            assert failure.errno in TROUBLE, failure
            return False

    def do_fault(self, nth, count, fault):
        fault = dict(fault)
        self.server.fault(fault.pop("kind"), **fault,
                          match={"origin": "api", "nth": nth, "count": count})
        try:
            self.mount.refresh()
        except OSError as failure:
            assert failure.errno in TROUBLE, failure
        self.server.clear_faults()

    def drop(self, number):
        reader = self.readers.pop(number, None)
        if reader:
            reader.source.close()

    def reading(self, work, number=None):
        """work() with this reader, which is over when it is refused."""
        try:
            return work()
        except OSError as failure:
            reader = self.readers.get(number)
            stale = failure.errno == errno.ESTALE and reader and reader.is_file
            unsound = self.quirk and self.quirk.unsound
            if stale or (unsound and failure.errno in REFUSALS):
                self.drop(number)
                raise Refused from failure
            raise AssertionError(
                f"{reader.place if reader else ''}: {failure}") from failure

    def do_begin(self, number, place):
        reader = self.reading(lambda: Reader(self.account, self.mount, place))
        reader.past = bool(self.quirk and self.quirk.past)
        self.readers[number] = reader

    def do_read(self, number, size, times):
        reader = self.readers.get(number)
        for _ in range(times if reader else 0):
            if not self.reading(lambda: reader.source.read(size), number):
                self.finish(number)
                break

    def do_seek(self, number, part):
        reader = self.readers.get(number)
        if not reader or reader.is_file:
            return
        reader.source.seek(int(len(reader.source.seen) * part))
        if not reader.source.seen:
            reader.begin()

    def do_end(self, number, size):
        reader = self.readers.get(number)
        if reader:
            self.reading(lambda: reader.source.rest(size), number)
            self.finish(number)

    def finish(self, number):
        reader = self.readers[number]
        self.drop(number)
        self.account.unfinished.pop(reader.place, None)
        reader.check()
        self.whole += 1

    def do_others(self, places):
        """Somebody else looks into more directories than can be kept."""
        for place in places:
            source = self.reading(
                lambda where=place: DirectoryReader(self.mount.path / where))
            try:
                self.reading(source.read)
            finally:
                source.close()

    def done(self):
        for number in list(self.readers):
            self.drop(number)


class Dice:
    """Makes up steps."""

    def __init__(self, seed, quirks):
        self.dice, self.quirks = random.Random(seed), quirks
        self.second = FIRST_S
        self.made = self.begun = 0
        self.alive, self.reading = [], []
        self.quirk = None

    def create(self, count, late=False):
        """In one second, on top or somewhere further down."""
        self.second += 1
        assets = []
        for _ in range(count):
            word = self.dice.choice(WORDS)
            assets.append((f"{word} {self.made}.mp4",
                           self.dice.choice(list(TYPES)),
                           self.dice.choice(TEAMS)))
            self.made += 1
        self.alive += [a[0] for a in assets]
        at = self.dice.randrange(FIRST_S, self.second) if late else self.second
        return ("create", at, assets)

    def first(self):
        return [self.create(50) for _ in range(14)]

    def creation(self):
        return [self.create(self.dice.choice((1, 1, 2, 40, 130)))]

    def insertion(self):
        """With deletions it could cancel out, which only the sweep finds:
        polls around it keep them apart."""
        if self.quirk:
            return []
        return [("poll",), self.create(self.dice.choice((1, 3)), late=True),
                ("poll",)]

    def deletion(self):
        count = min(self.dice.choice((1, 1, 2, 30)), len(self.alive))
        gone = self.dice.sample(self.alive, count)
        self.alive = [n for n in self.alive if n not in gone]
        return [("delete", gone)]

    def poll(self):
        return [("poll",)]

    def change(self):
        if self.quirk or not self.quirks:
            self.quirk = None
            return [("calm",)]
        self.quirk = self.dice.choice(self.quirks)
        return [("quirk", self.quirk)]

    def fault(self):
        return [("fault", self.dice.choice((1, 2, 3)),
                 self.dice.choice((1, 2, 4)), self.dice.choice(FAULTS))]

    def begin(self):
        steps = self.end() if len(self.reading) == READERS_MAX else []
        self.begun += 1
        self.reading.append(self.begun)
        return [*steps, ("begin", self.begun,
                         self.dice.choice(DIRECTORIES + FILES))]

    def a_reader(self):
        return self.dice.choice(self.reading) if self.reading else 0

    def read(self):
        return [("read", self.a_reader(),
                 self.dice.choice((SMALLEST, SMALLEST, 1024, 4096, 32768)),
                 self.dice.choice((1, 2, 5)))]

    def seek(self):
        return [("seek", self.a_reader(), self.dice.choice((0, .5, 1)))]

    def end(self):
        number = self.a_reader()
        if number:
            self.reading.remove(number)
        return [("end", number, self.dice.choice((SMALLEST, 32768)))]

    def others(self):
        return [("others", self.dice.choice((OTHERS, OTHERS[:20])))]

    def steps(self, count):
        weights = {self.creation: 3, self.insertion: 1, self.deletion: 3,
                   self.poll: 5, self.change: 2, self.fault: 1, self.begin: 9,
                   self.read: 16, self.seek: 3, self.end: 5, self.others: 1}
        steps = []
        for _ in range(count):
            steps += self.dice.choices(*zip(*weights.items()))[0]()
        return steps + [("calm",)] + [("end", n, 32768) for n in self.reading]


def run_steps(first, steps):
    """The account as `first` makes it is mounted, then come the steps."""
    from standin import Standin
    with Standin(assets=0) as server:
        run = Run(server)
        for step in first:
            run.do(*step)
        with Mount(server, refresh=600, timeout=10, rpm=100000) as m:
            run.mounted(m)
            try:
                for at, step in enumerate(steps):
                    try:
                        run.do(*step)
                    except AssertionError as failure:
                        print("steps:", json.dumps(steps[:at + 1]))
                        quirk = run.quirk.name if run.quirk else "no quirk"
                        raise AssertionError(
                            f"step {at} ({step[0]}, {quirk}): "
                            f"{failure}") from None
            finally:
                run.done()
    return run


def run_model(seed, quirks, steps=STEPS):
    dice = Dice(seed, quirks)
    first = dice.first()
    return run_steps(first, dice.steps(steps))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_reader_sees_all_that_stood(seed):
    assert run_model(seed, []).whole > STEPS // 20


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda q: q.name)
@pytest.mark.parametrize("seed", SEEDS[:1])
def test_every_reader_sees_all_whatever_the_server_says(seed, quirk):
    # What contradicts itself is asked again ever more seldom: that takes time.
    steps = STEPS // 2 if quirk.unsound else STEPS
    assert run_model(seed, [quirk], steps).whole > steps // 30


@pytest.mark.parametrize("quirk", [q for q in QUIRKS if not q.past],
                         ids=lambda q: q.name)
def test_a_first_walk_sees_all_whatever_the_server_says(standin, quirk):
    server = standin(assets=400)
    server.quirk(**quirk.values)
    alive = {a["_id"] for a in server.assets()}
    try:
        with Mount(server, refresh=600, timeout=5, rpm=100000) as m:
            shown = {json.loads((path / "metadata.json").read_text())["_id"]
                     for path in folders(m).values()}
    except MountFailed as failure:
        assert quirk.unmountable and "answer" in failure.stderr
    except OSError as failure:
        assert quirk.unsound and failure.errno in TROUBLE, failure
    else:
        assert shown == alive


@pytest.mark.parametrize("form", ["absent", "string", "no_page_info"])
def test_many_creations_without_a_total_are_all_found(standin, mount, form):
    server = standin(assets=700)
    m = mount(server, refresh=600, timeout=20, rpm=100000)
    m.wait_complete()
    server.quirk(total_form=form)
    server.create(130)
    m.refresh()
    assert sum(map(len, m.wait_complete())) == len(
        [a for a in server.assets() if a["status"] == "ready"])
