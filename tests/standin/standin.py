# SPDX-License-Identifier: MIT
"""The stand-in API for tests: starts the binary, talks to its control.

    with Standin(assets=1000, account="plain") as server:
        env = server.env()                 # what the program under test needs
        server.fault("status", status=503, match={"kind": "list", "count": 2})
        server.wait("list", 3)             # an event, never a sleep

What control can do is written at the head of main.c. Standard library only.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

START_S = 60
STOP_LOOK_S = 0.001
KEY = "tlk_STANDIN0000000000000000000000"


def default_binary():
    build = pathlib.Path(os.environ.get("TWELVEFS_BUILD", "build"))
    return build / "tests" / "standin" / "twelvefs-standin"


class ControlError(Exception):
    """Control said no: .status and the answer."""

    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer[:500]!r}")
        self.status = status
        self.answer = answer


class Standin:
    """One running stand-in. Options are those of the command line, with
    underscores: assets, account, seed, latency_ms, key, port, media_port.
    quirks is a dict of those it has from its start on."""

    def __init__(self, binary=None, key=KEY, quirks=None, **options):
        self.binary = str(binary or default_binary())
        self.key = key
        self.given_quirks = quirks or {}
        self.options = {k: v for k, v in options.items() if v is not None}
        self.process = None
        # Control is on loopback, whatever proxy the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.start()

    def start(self):
        """Starts it, unless it runs. After stop() it comes back as it was at
        its first start, on the same ports."""
        if self.process:
            return self
        argv = [self.binary, "--die-with-parent", "--key", self.key]
        for name, value in self.options.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        for name, value in self.given_quirks.items():
            argv += ["--quirk", f"{name}={value}"]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = ""
        if select.select([self.process.stdout], [], [], START_S)[0]:
            line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the stand-in did not start")
        ready = json.loads(line)
        self.api = ready["api"]
        self.media = ready["media"]
        self.control_url = ready["control"]
        self.pid = ready["pid"]
        self.options["port"] = urllib.parse.urlsplit(self.api).port
        self.options["media_port"] = urllib.parse.urlsplit(self.media).port
        return self

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        """Ends it; returns its exit status, None if it did not run. A crash
        or a sanitizer's finding (neither 0 nor a plain kill) is an error."""
        process, self.process = self.process, None
        if not process:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.stdin.close()
        process.stdout.close()
        status = process.wait()
        if status not in (0, -signal.SIGKILL, -signal.SIGTERM):
            raise RuntimeError(f"the stand-in ended with {status}")
        return status

    def env(self):
        """The two variables by which clients find the API."""
        return {"TWELVE_LABS_API_KEY": self.key, "TWELVELABS_BASE_URL": self.api}

    # Talking to control

    def control_bytes(self, path, body=None, method=None, timeout=120):
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(
            (self.control_url + "/" + path.lstrip("/")).rstrip("/"),
            data=body,
            method=method or ("GET" if body is None else "POST"),
            headers={"Content-Type": "application/json"} if body else {},
        )
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise ControlError(error.code, error.read()) from None

    def control(self, path, body=None, method=None, timeout=120):
        """One call: GET without a body, POST with one (dict, text, bytes)."""
        return json.loads(self.control_bytes(path, body, method, timeout))

    def stats(self):
        return self.control("stats")

    def reset(self):
        return self.control("reset", {})

    def log(self, since=0):
        return self.control(f"log?since={since}")

    def seq(self):
        """The last request's number: log(since=seq()) is what comes now."""
        return self.stats()["seq"]

    def wait(self, counter, at_least=1, timeout=10):
        """Returns the counter's value once it is reached; TimeoutError."""
        query = urllib.parse.urlencode(
            {
                "counter": counter,
                "at_least": at_least,
                "timeout_ms": int(timeout * 1000),
            }
        )
        try:
            return self.control("wait?" + query, timeout=timeout + 30)["value"]
        except ControlError as error:
            if error.status != 408:
                raise
            raise TimeoutError(
                f"{counter} is not {at_least} after {timeout} s: {self.stats()}"
            ) from None

    # What goes wrong

    def fault(self, kind, match=None, **parameters):
        """Adds a rule; returns its number."""
        rule = {"kind": kind, "match": match or {}, **parameters}
        return self.control("faults", rule)["rule"]

    def quirk(self, **values):
        """Sets quirks; GET /control/help lists them."""
        return self.control("quirks", values)

    def quirks(self):
        return self.control("quirks")

    def clear_quirks(self):
        return self.control("quirks", method="DELETE")

    def refuse(self, status=429, retry_after=86400, count=1, body=None,
               **match):
        """The next `count` requests are answered so, with that Retry-After."""
        headers = {} if retry_after is None else \
            {"Retry-After": str(retry_after)}
        more = {} if body is None else {"body": body}
        return self.fault("status", {**match, "count": count}, status=status,
                          headers=headers, **more)

    def nothing_remains(self, reset_s=86400, count=1, **match):
        """Good answers whose headers say that the budget is used up."""
        reset = str(int(time.time()) + reset_s)
        return self.fault("headers", {"origin": "api", "count": count, **match},
                          headers={"X-Ratelimit-Remaining": "0",
                                   "x-ratelimit-request-remaining": "0",
                                   "X-Ratelimit-Reset": reset})

    def faults(self):
        return self.control("faults")

    def clear_faults(self):
        return self.control("faults", method="DELETE")

    def latency(self, ms):
        return self.control("latency", {"ms": ms})

    def ratelimit(self, limit=None, window_s=60, **more):
        if limit is None:
            return self.control("ratelimit", more)
        return self.control(
            "ratelimit", {"limit": limit, "window_s": window_s, **more}
        )

    def offline(self, on=True, ms=None):
        return self.control("offline", {"on": on} if ms is None else {"ms": ms})

    def signing(self, on=True, ttl_s=3600, style="expires"):
        return self.control("signing", {"on": on, "ttl_s": ttl_s, "style": style})

    def expire(self):
        """Every signed URL given so far is refused from now on."""
        return self.control("expire", {})

    def suspend(self):
        """The host is there and says nothing (SIGSTOP), from the return on:
        a thread may still answer until it sees the signal."""
        self.process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + START_S
        while not self.is_stopped():
            if time.monotonic() > end:
                raise TimeoutError("the stand-in does not stop")
            select.select([], [], [], STOP_LOOK_S)

    def is_stopped(self):
        """Whether every thread has come to a stop."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        try:
            return all(stat.read_text().rpartition(")")[2].split()[0] == "T"
                       for stat in tasks.glob("*/stat"))
        except (FileNotFoundError, ProcessLookupError):
            return False  # one ended while we looked

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    # The account

    def create(self, count=1, fields=None, created_at=None, status=None, text=None):
        """New assets' ids. fields and text may be JSON text, which keeps
        every byte, or dicts."""
        parts = [f'"count":{count}']
        if created_at is not None:
            parts.append('"created_at":' + json.dumps(created_at))
        if status is not None:
            parts.append('"status":' + json.dumps(status))
        for name, value in (("fields", fields), ("text", text)):
            if value is not None:
                raw = value if isinstance(value, (str, bytes)) else json.dumps(value)
                if isinstance(raw, bytes):
                    raw = raw.decode("utf-8", "surrogateescape")
                parts.append(f'"{name}":{raw}')
        body = "{" + ",".join(parts) + "}"
        answer = self.control("create", body.encode("utf-8", "surrogateescape"))
        return answer["ids"]

    def delete(self, ids=None, index=None, random=None, seed=1, all=False):
        """Deletes by id, by place (0 = newest), n at random, or all; the ids
        that are gone."""
        if isinstance(ids, str):
            ids = [ids]
        if isinstance(index, int):
            index = [index]
        body = {}
        if ids is not None:
            body["ids"] = list(ids)
        if index is not None:
            body["index"] = list(index)
        if random is not None:
            body.update(random=random, seed=seed)
        if all:
            body["all"] = True
        return self.control("delete", body)["ids"]

    def edit(self, asset_id, merge=None, **fields):
        """Merges fields into the object (None removes one). merge may be
        JSON text."""
        raw = merge if isinstance(merge, str) else json.dumps({**(merge or {}), **fields})
        return self.control("edit", f'{{"id":{json.dumps(asset_id)},"merge":{raw}}}')

    def status(self, asset_id, status, merge=None):
        body = {"id": asset_id, "status": status}
        if merge:
            body["merge"] = merge
        return self.control("status", body)

    def ids(self, before=0):
        """Alive ids, newest first; with before=mark() taken earlier, those
        that stood throughout."""
        return self.control(f"ids?before={before}")

    def mark(self):
        return self.control("")["mark"]

    def count(self):
        return self.control("")["count"]

    def raw(self, asset_id):
        """The object's exact bytes."""
        return self.control_bytes(
            f"assets/{urllib.parse.quote(asset_id, safe='')}/raw"
        )

    def dump(self):
        """All objects' exact bytes, one a line, newest first."""
        return self.control_bytes("dump")

    def assets(self):
        """All objects parsed leniently, newest first."""
        return [json.loads(line.decode("utf-8", "replace"), strict=False)
                for line in self.dump().split(b"\n") if line]

    # What clients wrote

    def uploads(self):
        """Each that arrived whole: asset_id, bytes, sha256, method, filename,
        part_filename, part_type, parts (names in order), upload_id."""
        return self.control("uploads")

    def sessions(self):
        """Multipart sessions: upload_id, asset_id, status, completed, sha256
        and chunks (puts, bytes, sha256, reported)."""
        return self.control("sessions")

    def settle(self):
        """What is in processing gets ready, or fails, now."""
        return self.control("settle", {})

    def expire_sessions(self, upload_id=None):
        return self.control("sessions/expire",
                            {"upload_id": upload_id} if upload_id else {})

    def expire_urls(self):
        """Every presigned URL given so far is refused from now on."""
        return self.control("urls/expire", {})

    def in_use(self, asset_id, on=True):
        """Whether others refer to it: a deletion without force is a 409."""
        return self.control("in_use", {"id": asset_id, "on": on})

    def churn(self, per_second=50, seconds=60, seed=1, mix=None):
        body = {"per_second": per_second, "seconds": seconds, "seed": seed}
        if mix:
            body["mix"] = mix
        return self.control("churn", body)

    def churn_state(self):
        return self.control("churn")

    def churning(self):
        return self.churn_state()["running"]

    def churn_stop(self):
        """Waits for its end; {"steps", "mark", "created", "deleted", …}."""
        return self.control("churn/stop", {})
