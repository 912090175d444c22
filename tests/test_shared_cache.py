# SPDX-License-Identifier: MIT
"""A fleet before one cache: scripts/shared-cache with the real nginx."""
import errno
import json
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request

import pytest

from mounting import Mount, PATIENCE_S, folders
from waiting import within

TOP = pathlib.Path(__file__).resolve().parent.parent
SETUP = TOP / "scripts/shared-cache/setup"
MOUNTS = 8
REFRESH_S = 8
AGE_S = 8 # longer than a walk takes, or late ones read anew
CHANGES_A_SECOND = 0.3
BOUND_S = REFRESH_S + AGE_S + 22  # and what a loaded machine takes


class Cache:
    """nginx before a stand-in, as the script sets it up."""

    def __init__(self, server, age=f"{AGE_S}s"):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="twelvefs-nginx-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{free.getsockname()[1]}"
        subprocess.run([SETUP, self.path, f"listen={listen}", "name=127.0.0.1",
                        f"api={server.api}", f"age={age}", "rate=100000"],
                       input=server.key, text=True, check=True,
                       capture_output=True, timeout=PATIENCE_S)
        tokens = (self.path / "tokens.conf").read_text()
        self.url = f"https://{listen}/v1.3"
        self.env = {
            "TWELVELABS_BASE_URL": self.url,
            "TWELVE_LABS_API_KEY": re.search(r'"(fleet_\w+)"', tokens)[1],
            "SSL_CERT_FILE": str(self.path / "ca.pem"),
            "CURL_CA_BUNDLE": ""}
        self.process = subprocess.Popen(
            ["nginx", "-p", self.path, "-c", "nginx.conf", "-g",
             "daemon off;"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        within(PATIENCE_S, lambda: self.get("/nothing") == 404)

    def get(self, path, key=None):
        """The status of a GET; None while nobody listens."""
        return self.answer(path, key)[0]

    def answer(self, path, key=None):
        """The status of a GET, and whether the cache had it."""
        request = urllib.request.Request(
            self.url.removesuffix("/v1.3") + path,
            headers={"x-api-key": key or self.env["TWELVE_LABS_API_KEY"]})
        trust = ssl.create_default_context(cafile=self.env["SSL_CERT_FILE"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=trust))
        try:
            with opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.headers["X-Cache-Status"]
        except urllib.error.HTTPError as error:
            return error.code, None
        except (urllib.error.URLError, ConnectionError):
            return None, None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=PATIENCE_S)
        shutil.rmtree(self.path)


@pytest.fixture
def cache():
    running = []

    def start(server, **options):
        running.append(Cache(server, **options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def ids(m):
    """None when it changed while it was read."""
    try:
        lines = (m.path / ".assets.ndjson").read_bytes().splitlines()
    except OSError as error:
        assert error.errno == errno.ESTALE
        return None
    return sorted(json.loads(line)["_id"] for line in lines)


def cost(server, cache, count, seconds=32):
    """List requests that `count` mounts cost the API from their start on,
    while it changes; then each lists what is there."""
    mounts = [Mount(server, env=cache.env, refresh=REFRESH_S, rpm=100000,
                    wait=False) for _ in range(count)]
    try:
        for m in mounts:
            m.wait_ready()
        for m in mounts:
            m.wait_complete()
        server.churn(per_second=CHANGES_A_SECOND, seconds=seconds, seed=7)
        within(PATIENCE_S + seconds, lambda: not server.churning())
        asked = server.stats()["requests"]["list"]
        there = sorted(server.ids())
        for m in mounts:
            within(BOUND_S, lambda: ids(m) == there, f"{len(there)} assets")
        return asked
    finally:
        for m in mounts:
            m.stop()
            shutil.rmtree(m.home, ignore_errors=True)


def test_eight_mounts_cost_what_one_costs(standin, cache):
    """10,000 assets, a change every three seconds; walk and polls together."""
    asked = {}
    for count in (1, MOUNTS):
        server = standin(assets=10000, account="plain")
        asked[count] = cost(server, cache(server), count)
    print(f"list requests: one mount {asked[1]}, {MOUNTS} mounts "
          f"{asked[MOUNTS]}, {asked[MOUNTS] / asked[1]:.2f} times as many")
    assert asked[MOUNTS] <= 1.2 * asked[1]


def test_only_who_has_a_token_gets_in(standin, cache):
    server = standin(assets=10)
    proxy = cache(server)
    assert proxy.get("/v1.3/assets?page=1&page_limit=50") == 200
    assert proxy.get("/v1.3/assets?page=1&page_limit=50", key="other") == 401
    assert proxy.get("/v1.3/assets?page=1&page_limit=50", server.key) == 401
    assert proxy.get("/v1.3/indexes") == 404
    key = proxy.path / "key.conf"
    assert server.key in key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_foreign_certificate_is_not_trusted(standin, cache, mount):
    proxy = cache(standin(assets=10))
    with pytest.raises(Exception) as failure:
        mount(None, env={**proxy.env, "SSL_CERT_FILE": ""}, timeout=3)
    assert failure.value.status == 5


def test_an_api_that_fails_is_bridged(standin, cache, mount):
    server = standin(assets=100, account="plain")
    proxy = cache(server, age="1s")
    mount(None, env=proxy.env).wait_complete()
    newest = server.log()[-1]["path"]
    server.offline()
    within(PATIENCE_S, lambda: proxy.answer(newest) == (200, "STALE"))
    second = mount(None, env=proxy.env)
    second.wait_complete()
    assert len(folders(second)) == 100
