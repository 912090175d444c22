# SPDX-License-Identifier: MIT
"""Everything the stand-in can do wrong, it does as ordered, and only then."""
import concurrent.futures
import http.client
import socket
import time
import urllib.parse
import urllib.request
import zlib

import pytest

from asking import ask, fetch, page, picture_urls

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def server(standin):
    return standin(assets=130)


def test_status_with_body_and_headers(server):
    server.fault("status", status=429, body="slow down",
                 headers={"Retry-After": "7", "Content-Type": "text/plain"},
                 match={"kind": "list", "count": 1})
    answer = ask(server)
    assert (answer.status, answer.body) == (429, b"slow down")
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers.get_all("Content-Type") == ["text/plain"]
    assert ask(server).status == 200
    assert server.log()[0]["fault"] == "status"


@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 408, 410, 500,
                                    502, 503, 504])
def test_any_status(server, status):
    server.fault("status", status=status)
    assert ask(server).status == status
    server.clear_faults()
    assert ask(server).status == 200


def test_reset(server):
    server.fault("reset")
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(server)
    assert server.stats()["by_status"] == {"0": 1}


def test_truncate(server):
    whole = ask(server).body
    server.fault("truncate")
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(server)
    assert cut.value.partial == whole[:len(whole) // 2]


def test_stall_until_cleared(server):
    server.fault("stall", match={"kind": "list"})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        stalled = [pool.submit(ask, server) for _ in range(8)]
        server.wait("list", 8)
        assert ask(server, path="/assets/" + server.ids()[0]).status == 200
        assert not any(s.done() for s in stalled)
        assert server.stats()["stalled"] == 8
        server.clear_faults()
        assert all(s.result().status == 200 for s in stalled)


def test_stall_for_a_time(server):
    server.fault("stall", ms=60)
    assert ask(server).status == 200
    assert server.log()[0]["ms"] >= 60


def test_a_stalled_client_that_hangs_up_is_noticed(server):
    server.fault("stall")
    with pytest.raises(TimeoutError):
        ask(server, timeout=0.05)
    server.wait("answered.list", 1)
    assert server.stats()["stalled"] == 0
    assert server.log()[0]["status"] == 0


def test_stall_in_the_body(server):
    whole = ask(server).body
    server.fault("stall_body", match={"count": 1})
    host, port = urllib.parse.urlsplit(server.api).netloc.split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(b"GET /v1.3/assets HTTP/1.1\r\nHost: x\r\nx-api-key: "
                       + server.key.encode() + b"\r\n\r\n")
        got = b""
        while whole[:len(whole) // 2] not in got:
            got += client.recv(65536)
        assert got.endswith(whole[:len(whole) // 2])
        server.clear_faults()
        while not got.endswith(whole):
            more = client.recv(65536)
            assert more
            got += more


def test_drip(server):
    whole = ask(server, "?page_limit=1").body
    server.fault("drip", ms=1)
    assert ask(server, "?page_limit=1").body == whole


def test_bodies_that_are_no_answer(server):
    server.fault("garbage", match={"count": 1})
    with pytest.raises(ValueError):
        ask(server).json
    server.fault("html", match={"count": 1})
    answer = ask(server)
    assert answer.status == 200 and b"<html>" in answer.body
    assert answer.headers["Content-Type"].startswith("text/html")
    server.fault("empty", match={"count": 1})
    answer = ask(server)
    assert answer.status == 200 and answer.body == b""
    server.fault("partial_json", match={"count": 1})
    with pytest.raises(ValueError):
        ask(server).json
    seen = set()
    for variant in range(6):
        server.fault("wrong_types", variant=variant, match={"count": 1})
        seen.add(ask(server).body)
    assert len(seen) == 6
    assert ask(server).json["data"]


@pytest.mark.parametrize("origin", ["api", "media"])
def test_endless(server, origin):
    server.fault("endless")
    url = server.api + "/assets" if origin == "api" else \
        next(iter(picture_urls(server).values()))
    request = urllib.request.Request(url, headers={"x-api-key": server.key})
    with OPENER.open(request, timeout=30) as answer:
        assert len(answer.read(20_000_000)) == 20_000_000
    server.clear_faults()
    assert ask(server).status == 200


def test_gzip_bomb(server):
    server.fault("gzip_bomb", match={"count": 1})
    answer = ask(server)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 2_000_000
    unpacked, engine, rest = 0, zlib.decompressobj(31), answer.body
    while rest and not engine.eof:
        unpacked += len(engine.decompress(rest, 1 << 24))
        rest = engine.unconsumed_tail
    assert engine.eof and unpacked == 1 << 30


def test_redirects(server):
    for location, expected in (("/elsewhere", "/elsewhere"),
                               ("$MEDIA/x", server.media + "/x"),
                               ("$API/assets", server.api + "/assets"),
                               ("$SELF", "/v1.3/assets?page=2"),
                               ("//evil.invalid/", "//evil.invalid/")):
        server.fault("redirect", location=location, match={"count": 1})
        answer = ask(server, "?page=2")
        assert answer.status == 302
        assert answer.headers["Location"] == expected
    server.fault("redirect", status=308, location="x")
    assert ask(server).status == 308


def test_a_picture_with_another_content_type_is_whole(server):
    url = next(iter(picture_urls(server).values()))
    whole = fetch(url).body
    server.fault("content_type", headers={"Content-Type": "text/html"},
                 match={"origin": "media"})
    answer = fetch(url)
    assert answer.headers.get_all("Content-Type") == ["text/html"]
    assert answer.body == whole


def test_latency_and_lagging_total_add_to_others(server):
    server.fault("latency", ms=30)
    server.fault("latency", ms=30)
    server.fault("lagging_total", delta=-5)
    server.fault("lagging_total", delta=2)
    answer = page(server)
    assert answer["page_info"]["total_results"] == 127
    assert server.log()[0]["ms"] >= 60
    server.fault("status", status=503)
    assert ask(server).status == 503
    assert server.log()[1]["ms"] >= 60


def test_rules_name_their_requests(server):
    def outcome(rule):
        server.clear_faults()
        server.fault("status", status=503, match=rule)
        return [ask(server, f"?page={n}").status == 503 for n in (1, 2, 3, 4)]

    assert outcome({"query_contains": "page=2"}) == [False, True, False, False]
    assert outcome({"nth": 2}) == [False, True, False, False]
    assert outcome({"nth": 2, "count": 2}) == [False, True, True, False]
    assert outcome({"nth": 3, "count": -1}) == [False, False, True, True]
    assert outcome({"count": 1}) == [True, False, False, False]
    assert outcome({"path_prefix": "/v1.3/assets?"}) == [True] * 4
    assert outcome({"path_prefix": "/v2"}) == [False] * 4
    assert outcome({"origin": "media"}) == [False] * 4
    assert outcome({"kind": "retrieve"}) == [False] * 4
    assert outcome({}) == [True] * 4
    assert server.faults()[0]["applied"] == 4


def test_probability_follows_its_seed(server):
    def outcome(seed):
        server.clear_faults()
        server.fault("status", status=503,
                     match={"probability": 0.5, "seed": seed})
        return [ask(server).status for _ in range(40)]

    first = outcome(1)
    assert 5 < first.count(503) < 35
    assert outcome(1) == first != outcome(2)


def test_control_suffers_no_fault_and_is_not_counted(server):
    server.fault("reset")
    server.latency(100000)
    server.offline()
    assert server.stats()["requests"]["other"] == 0
    assert server.log() == []


def test_rate_limit(server):
    headers = ask(server).headers
    assert int(headers["X-Ratelimit-Remaining"]) > 1000
    server.ratelimit(3, window_s=1)
    answers = [ask(server) for _ in range(4)]
    assert [a.status for a in answers] == [200, 200, 200, 429]
    assert [a.headers["X-Ratelimit-Remaining"] for a in answers] == \
        ["2", "1", "0", "0"]
    assert answers[3].json["code"] == "too_many_requests"
    assert answers[3].headers["Retry-After"] == "1"
    # Asking again is the only way to learn that the window is over.
    deadline = time.monotonic() + 10
    while ask(server).status == 429:
        assert time.monotonic() < deadline
    server.ratelimit(10, used=10, retry_after="date")
    assert ask(server).headers["Retry-After"].endswith(" GMT")
    server.ratelimit(10, used=10, retry_after="ms")
    assert int(ask(server).headers["retry-after-ms"]) > 50_000
    server.ratelimit()
    assert ask(server).status == 200


def test_offline_resets_who_comes_and_who_waits(server):
    server.fault("stall")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, server)
        server.wait("list", 1)
        server.offline()
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            waiting.result()
    server.clear_faults()
    for url in (server.api + "/assets", server.media + "/x"):
        with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
            fetch(url)
    server.offline(on=False)
    assert ask(server).status == 200
    server.offline(ms=1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert ask(server).status == 200
            break
        except OSError:
            continue
    else:
        raise AssertionError("still offline")


def test_a_suspended_server_is_silent_and_comes_back(server):
    server.suspend()
    with pytest.raises(TimeoutError):
        ask(server, timeout=0.2)
    server.resume()
    assert ask(server).status == 200


def test_a_suspended_server_has_stopped_before_the_call_returns(server):
    for _ in range(50):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, server) for _ in range(4)]
            server.suspend()
            stopped = server.is_stopped()
            server.resume()
            assert stopped
            assert [a.result().status for a in asked] == [200] * 4
