# SPDX-License-Identifier: MIT
"""twelvefs watch: what it tells, and that it loses and repeats nothing."""
import datetime
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import pytest

from mounting import BINARY, Mount, PATIENCE_S
from waiting import within

VIDEO = {"filename": "new.mp4", "file_type": "video/mp4"}


class Watch:
    """A running `twelvefs watch`; lines() are its events, in order."""

    def __init__(self, mount, *words):
        path = getattr(mount, "path", mount)
        self.process = subprocess.Popen(
            [str(BINARY), "watch", *words, str(path)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.left = b""

    def lines(self, count):
        return [json.loads(self.readline()) for _ in range(count)]

    def readline(self):
        end = time.monotonic() + PATIENCE_S
        while b"\n" not in self.left:
            wait = max(0, end - time.monotonic())
            assert select.select([self.process.stdout], [], [], wait)[0]
            part = os.read(self.process.stdout.fileno(), 1 << 16)
            assert part, "it ended"
            self.left += part
        line, _, self.left = self.left.partition(b"\n")
        return line.decode()

    def end(self):
        """(exit status, the lines that were left, stderr)."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return (self.process.returncode,
                [json.loads(line) for line in (self.left + out).splitlines()],
                err.decode())


def asked(mount):
    """Questions so far. (Python's open() would ask an ioctl of its own.)"""
    fd = os.open(mount.path / ".twelvefs/status.json", os.O_RDONLY)
    try:
        return json.loads(os.read(fd, 1 << 16))["fuse"].get("ioctl", 0)
    finally:
        os.close(fd)


def unmount(mount):
    """At once, but for the moment in which somebody is asking."""
    within(PATIENCE_S, lambda: subprocess.run(
        ["fusermount3", "-u", str(mount.path)], capture_output=True,
        timeout=PATIENCE_S).returncode == 0, "an unmount that succeeds")
    assert mount.process.wait(timeout=PATIENCE_S) == 0


def beginning(mount):
    """When the log begins, as whoever asks for more is told."""
    status, lines, error = Watch(mount, "--since", "30d").end()
    assert status == 9 and lines == []
    return re.search(r"goes back to (\S+) only", error)[1]


def told(events):
    return [(e["kind"], e["id"]) for e in events]


@pytest.fixture
def watched(standin, mount):
    """Who asks for a refresh waits for thousands of assets, with a sanitizer
    beside other work longer than the default timeout."""
    server = standin(assets=120)
    m = mount(server, refresh=600, timeout=600)
    m.wait_complete()
    return server, m


def test_creations_changes_and_deletions_are_told(watched):
    server, m = watched
    watch = Watch(m, "--since", beginning(m))
    new, other = server.create(2, fields=VIDEO, status="processing")
    m.refresh()
    events = watch.lines(2)
    assert sorted(told(events)) == sorted([("created", new), ("created", other)])
    for e in events:
        assert e["type"] == "video" and e["filename"] == "new.mp4"
        assert e["status"] == "processing" and "changes" not in e
    server.status(new, "ready")
    m.refresh()
    [event] = watch.lines(1)
    assert told([event]) == [("changed", new)] and event["status"] == "ready"
    assert {"field": "status", "old": "processing", "new": "ready"} \
        in event["changes"]
    server.edit(new, user_metadata={"a": "1", "b": 2})
    m.refresh()
    [event] = watch.lines(1)
    changes = {c["field"]: c for c in event["changes"]}
    assert changes["user_metadata.a"] == {"field": "user_metadata.a", "new": "1"}
    assert changes["user_metadata.b"]["new"] == 2
    server.edit(new, user_metadata={"a": "2", "b": None})
    m.refresh()
    [event] = watch.lines(1)
    changes = {c["field"]: c for c in event["changes"]}
    assert changes == {
        "user_metadata.a": {"field": "user_metadata.a", "old": "1", "new": "2"},
        "user_metadata.b": {"field": "user_metadata.b", "old": 2}}
    server.delete([other])
    m.refresh()
    [event] = watch.lines(1)
    assert told([event]) == [("deleted", other)]
    assert event["filename"] == "new.mp4" and event["type"] == "video"
    unmount(m)
    assert watch.end() == (0, [], "")


def test_without_since_it_begins_now(watched):
    server, m = watched
    server.create(3, status="ready")
    m.refresh()
    before = asked(m)
    watch = Watch(m)
    within(PATIENCE_S, lambda: asked(m) > before)
    new = server.create(1, status="ready")
    m.refresh()
    assert told(watch.lines(1)) == [("created", new[0])]


def test_a_renewed_signature_is_no_event(watched):
    server, m = watched
    watch = Watch(m, "--since", beginning(m))
    server.expire_urls()
    m.refresh()
    new = server.create(1, status="ready")
    m.refresh()
    assert told(watch.lines(1)) == [("created", new[0])]


def seconds(moment):
    """As `date -Is` has it."""
    return datetime.datetime.fromtimestamp(
        int(moment), datetime.timezone.utc).isoformat()


def test_the_second_of_its_beginning_is_in_the_log(standin, mount):
    """README's recipe begins with `date -Is`, right after mounting."""
    server = standin(assets=3000)
    server.latency(150)
    m = mount(server, refresh=600)
    now = time.time()  # the mount is there, and its first walk under way
    watches = [Watch(m, "--since", seconds(now))]
    before = asked(m)
    within(PATIENCE_S, lambda: asked(m) >= before + 2)
    status, lines, error = Watch(m, "--since", seconds(now - 60)).end()
    assert status == 9 and not lines
    m.wait_complete()
    server.latency(0)
    watches.append(Watch(m, "--since", seconds(now)))
    for watch in watches:
        [event] = watch.lines(1)
        assert (event["kind"], event["assets"]) == ("complete", 3000)
    begin = datetime.datetime.fromisoformat(beginning(m)[:19] + "+00:00")
    [event] = Watch(m, "--since", seconds(begin.timestamp())).lines(1)
    assert event["kind"] == "complete"
    status, lines, error = Watch(m, "--since", seconds(now - 60)).end()
    assert status == 9 and not lines


def many_events(m, server):
    """More of them than fit one answer and a pipe, and a watch whose reader
    reads nothing: it was stopped by the pipe."""
    since = beginning(m)
    new = server.create(5000, fields={"filename": "x" * 200}, status="ready")
    m.refresh()
    watch = Watch(m, "--since", since)
    proc = pathlib.Path("/proc", str(watch.process.pid))
    within(PATIENCE_S, lambda: "pipe_w" in (proc / "wchan").read_text()
           or "anon_pipe" in (proc / "wchan").read_text())
    return new, watch


def test_a_slow_reader_is_told_what_the_end_cost_it(watched):
    server, m = watched
    new, watch = many_events(m, server)
    unmount(m)
    status, lines, error = watch.end()
    assert (status, error) == (0, "")
    assert lines[-1]["kind"] == "lost"
    assert told(lines[:-1]) == [("created", e["id"]) for e in lines[:-1]]
    assert len(lines) - 1 + lines[-1]["events"] == len(new)


def test_a_signal_tears_no_line(watched):
    server, m = watched
    _, watch = many_events(m, server)
    watch.process.terminate()
    out, _ = watch.process.communicate(timeout=PATIENCE_S)
    assert out.endswith(b"}\n")


def test_a_first_walk_is_one_event(standin, mount):
    server = standin(assets=3000)
    server.latency(150)
    m = mount(server, refresh=600)
    status, lines, error = Watch(m, "--since", "1h").end()
    assert status == 9 and not lines and "for the first time" in error
    watch = Watch(m)
    m.wait_complete()
    server.latency(0)
    [event] = watch.lines(1)
    assert event["kind"] == "complete" and event["assets"] == 3000
    assert event["time"] == beginning(m)
    new = server.create(1, status="ready")
    m.refresh()
    assert told(watch.lines(1)) == [("created", new[0])]


def test_ten_thousand_at_once_are_told_once_to_each(watched):
    server, m = watched
    since = beginning(m)
    watches = [Watch(m, "--since", since) for _ in range(3)]
    new = server.create(10000, status="ready")
    m.refresh()
    events = [w.lines(10000) for w in watches]
    assert sorted(e["id"] for e in events[0]) == sorted(new)
    assert events[0] == events[1] == events[2]
    times = [e["time"] for e in events[0]]
    assert times == sorted(set(times))
    server.delete(new)
    m.refresh()
    gone = watches[0].lines(10000)
    assert sorted(told(gone)) == sorted(("deleted", i) for i in new)
    # from anywhere in between, nothing twice and nothing left out
    again = Watch(m, "--since", times[4711]).lines(15288)
    assert again == events[0][4712:] + gone


def test_nothing_is_lost_or_repeated_over_a_restart(standin, tmp_path):
    server = standin(assets=120)
    options = {"cache_dir": tmp_path / "c", "refresh": 600}
    with Mount(server, **options) as m:
        m.wait_complete()
        watch = Watch(m, "--since", beginning(m))
        first = server.create(3, status="ready")
        m.refresh()
        seen = watch.lines(3)
        # committed, perhaps after the watch's last question
        more = server.create(2, status="ready")
        m.refresh()
        unmount(m)
        status, rest, error = watch.end()
        assert (status, error) == (0, "")
        seen += rest
    away = server.delete(first[:1]) + server.create(1, status="ready")
    with Mount(server, **options) as m:
        m.refresh()
        watch = Watch(m, "--since", seen[-1]["time"])
        seen += watch.lines(7 - len(seen))
        again = server.create(1, status="ready")
        m.refresh()
        seen += watch.lines(1)
        assert sorted(told(seen)) == sorted(
            [("created", i) for i in first + more + away[1:] + again] +
            [("deleted", away[0])])
        m.kill()  # it can't say where it was
    assert watch.end()[0] in (0, 6)


def test_nobody_who_watches_keeps_the_mount(watched):
    _, m = watched
    watches = [Watch(m, "--since", beginning(m)) for _ in range(5)]
    before = asked(m)
    within(PATIENCE_S, lambda: asked(m) >= before + 10)
    unmount(m)
    for watch in watches:
        assert watch.end() == (0, [], "")


def test_a_daemon_that_dies_is_no_end_of_the_mount(watched):
    _, m = watched
    watch = Watch(m, "--since", beginning(m))
    before = asked(m)
    within(PATIENCE_S, lambda: asked(m) >= before + 2)
    m.kill()
    status, lines, error = watch.end()
    assert status == 6 and not lines and "daemon died" in error


def stops_between_questions(watch, m):
    """Whether it was stopped while it had nothing open in the mount, which
    would keep the detached mount alive; else it goes on."""
    proc = pathlib.Path("/proc", str(watch.process.pid))
    os.kill(watch.process.pid, signal.SIGSTOP)
    within(PATIENCE_S, lambda: "\nState:\tT" in (proc / "status").read_text())
    if any(os.readlink(fd) == str(m.path) for fd in (proc / "fd").iterdir()):
        os.kill(watch.process.pid, signal.SIGCONT)
        return False
    return True


def test_another_mount_in_its_place_is_another(standin, tmp_path):
    server = standin(assets=50)
    with Mount(server, cache_dir=tmp_path / "c") as m:
        m.wait_complete()
        watch = Watch(m, "--since", beginning(m))
        before = asked(m)
        within(PATIENCE_S, lambda: asked(m) >= before + 2)
        within(PATIENCE_S, lambda: stops_between_questions(watch, m))
        subprocess.run(["fusermount3", "-uz", str(m.path)], check=True)
        m.process.wait(timeout=PATIENCE_S)
        m.start()
        m.refresh()
        os.kill(watch.process.pid, signal.SIGCONT)
        assert watch.end() == (0, [], "")


def test_a_slow_reader_is_told_what_it_lost(watched):
    """Past 32 MB of events the oldest go; nobody waits for who reads slowly."""
    server, m = watched
    watch = Watch(m, "--since", beginning(m))
    name = "x" * 1400
    count = 24000
    new = server.create(count, fields={"filename": name}, status="ready")
    m.refresh()
    again = server.create(1, status="ready")
    m.refresh()
    events = []
    while not events or events[-1].get("id") != again[0]:
        events += watch.lines(1)
    lost = [e for e in events if e["kind"] == "lost"]
    ids = [e["id"] for e in events if e["kind"] == "created"]
    assert len(lost) == 1 and lost[0]["events"] > 0
    assert len(ids) == len(set(ids)) and set(ids) <= {*new, *again}
    assert len(ids) + lost[0]["events"] == count + 1
    assert (m.home / "cache").exists()


def test_any_filename_makes_a_line_of_json(watched):
    server, m = watched
    names = ['""', '"a\\nb\\u0000c"', '"\\u001b[31mred\\u202e"',
             '"caf\\u00e9 \u2603"', '"\\ud800 alone"', '"bad \udcff\udcfe"',
             '"quo\\"te\\\\"', '"del \x7f c1 \x9b"', "17", "null",
             '"' + "y" * 5000 + '"']
    watch = Watch(m, "--since", beginning(m))
    for name in names:
        server.create(1, fields='{"filename":%s}' % name, status="ready")
    m.refresh()
    told_names = set()
    for _ in names:
        text = watch.readline()  # valid UTF-8, nothing that a terminal obeys
        assert all(c >= " " for c in text)
        assert not set(text) & {"\x7f", "\x9b", "\u202e"}
        event = json.loads(text)
        told_names.add(event.get("filename", event.get("filename_bytes")))
    assert told_names == {"", "a\nb\0c", "\x1b[31mred\u202e", "caf\xe9 \u2603",
                          "\ud800 alone", "bad \ufffd\ufffd", 'quo"te\\',
                          "del \x7f c1 \x9b", None, 5002}


def test_watching_costs_no_request(watched):
    server, m = watched
    since = beginning(m)
    m.refresh()
    before = server.stats()["requests"]
    watch = Watch(m, "--since", since)
    questions = asked(m)
    within(PATIENCE_S, lambda: asked(m) >= questions + 3)
    assert server.stats()["requests"] == before
    watch.process.stdout.close()  # and it ends with its reader
    assert watch.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("words, why", [
    (["--since", "tomorrow"], "'tomorrow'"), (["--since", "2999-01-01T00:00:00Z"],
                                              "use one past"),
    (["--sinse", "1h"], "usage: twelvefs watch"),
    (["x"], "usage:")])
def test_what_is_no_time_is_said(tmp_path, words, why):
    status, lines, error = Watch(tmp_path, *words).end()
    assert status == 2 and not lines and why in error


def test_elsewhere_there_is_nothing_to_watch(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        status, lines, error = Watch(path).end()
        assert status == 6 and not lines and str(path) in error
