# SPDX-License-Identifier: MIT
"""The stand-in itself: it must be as good as the API before it can judge.

Only through HTTP, as a client sees it, and through its control.
"""
import concurrent.futures
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import urllib.parse

import pytest

from asking import ask, fetch, listed, page, picture_urls
from standin import ControlError, Standin, default_binary

CLIENT = pathlib.Path(__file__).resolve().parent.parent / "client"


@pytest.fixture
def server(standin):
    return standin(assets=130)


# The list


def test_pages_hold_every_asset_once_newest_first(server):
    assert listed(server) == server.ids()
    assets = server.assets()
    stamps = [asset["created_at"] for asset in assets]
    assert stamps == sorted(stamps, reverse=True)
    assert len(set(stamps)) < len(stamps)  # ties are among them


def test_page_info_counts(server):
    assert page(server)["page_info"] == {
        "limit_per_page": 10, "page": 1, "total_page": 13,
        "total_results": 130}
    last = page(server, "?page=3&page_limit=50")
    assert len(last["data"]) == 30 and last["page_info"]["total_page"] == 3
    past = page(server, "?page=4&page_limit=50")
    assert past["data"] == [] and past["page_info"]["total_results"] == 130


@pytest.mark.parametrize("query, code", [
    ("?page_limit=51", "parameter_invalid"),
    ("?page_limit=0", "parameter_invalid"),
    ("?page_limit=-1", "parameter_invalid"),
    ("?page_limit=ten", "parameter_invalid"),
    ("?page_limit=10.0", "parameter_invalid"),
    ("?page_limit=", "parameter_invalid"),
    ("?page_limit=%2010", "parameter_invalid"),
    ("?page=0", "parameter_invalid"),
    ("?page=-3", "parameter_invalid"),
    ("?page=1x", "parameter_invalid"),
    ("?page=99999999999999999999", "parameter_invalid"),
    ("?asset_types=model", "parameter_invalid"),
    ("?asset_types=video&asset_types=", "parameter_invalid"),
    ("?asset_ids=", "parameter_invalid"),
    ("?colour=red", "parameter_unknown"),
    ("?asset_ids[]=a", "parameter_unknown"),
])
def test_bad_parameters_are_told_apart(server, query, code):
    answer = ask(server, query)
    assert answer.status == 400
    assert answer.json["code"] == code
    assert answer.json["message"]


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"},
                                     {"x-api-key": ""}])
def test_no_key_no_answer(server, headers):
    answer = fetch(server.api + "/assets", headers)
    assert answer.status == 401
    assert answer.json["code"] == "api_key_invalid" and answer.json["message"]
    assert server.stats()["unauthorised"] == 1


def test_what_is_not_there_and_what_is_not_allowed(server):
    assert ask(server, path="/nothing").status == 404
    assert ask(server, path="/assets/").status == 404
    answer = ask(server, path="/assets/" + "f" * 24)
    assert answer.status == 404
    assert answer.json["code"] == "resource_not_exist"
    for method in ("DELETE", "PUT", "PATCH"):
        assert ask(server, method=method).status == 405


def test_retrieve_gives_the_listed_object(server):
    one = server.ids()[17]
    answer = ask(server, path=f"/assets/{one}")
    assert answer.status == 200 and answer.body == server.raw(one)
    assert answer.json["_id"] == one


def test_asset_ids_repeat_and_mix_with_the_other_filters(server):
    ids = server.ids()
    wanted = [ids[90], ids[2], ids[50], ids[2], "f" * 24, "no id"]
    query = "?page_limit=50" + "".join(
        "&asset_ids=" + urllib.parse.quote(i) for i in wanted)
    found = page(server, query)
    assert [a["_id"] for a in found["data"]] == [ids[2], ids[50], ids[90]]
    assert found["page_info"]["total_results"] == 3
    types = {a["_id"]: a.get("file_type", "") for a in server.assets()}
    videos = page(server, query + "&asset_types=video")["data"]
    assert [a["_id"] for a in videos] == [
        i for i in (ids[2], ids[50], ids[90]) if types[i].startswith("video/")]
    few = page(server, query.replace("page_limit=50", "page_limit=2&page=2"))
    assert [a["_id"] for a in few["data"]] == [ids[90]]


def test_every_ready_asset_has_one_type(server):
    of_types = [set(listed(server, "&asset_types=" + t))
                for t in ("video", "image", "audio", "document")]
    assert all(of_types)
    assert sum(map(len, of_types)) == len(set.union(*of_types))
    ready = {a["_id"] for a in server.assets() if a["status"] == "ready"}
    assert set.union(*of_types) == ready
    pair = listed(server, "&asset_types=video&asset_types=image")
    assert set(pair) == of_types[0] | of_types[1]


def test_filename_is_a_substring_in_any_case(standin):
    server = standin(assets=0)
    names = ["Keynote.mp4", "the KEYNOTES", "ÄRGER é.mp4", "ärger É.mp4",
             "percent%41+plus & more", "other"]
    made = [server.create(1, fields={"filename": n})[0] for n in names]

    def find(text):
        return set(listed(server, "&filename=" + urllib.parse.quote_plus(text)))

    assert find("keynote") == set(made[:2])
    assert find("Ärger É") == set(made[2:4])
    assert find("%41+plus & m") == {made[4]}
    assert find("") == set(server.ids())
    assert find("no such name") == set()


def test_two_servers_with_one_seed_are_equal(standin):
    one, two = standin(assets=300, seed=9), standin(assets=300, seed=9)
    other = standin(assets=300, seed=10)
    assert one.ids() == two.ids()
    assert one.dump().replace(one.media.encode(), b"") == \
        two.dump().replace(two.media.encode(), b"")
    assert not set(one.ids()) & set(other.ids())


def test_a_million_assets_are_no_work(standin):
    server = standin(assets=1_000_000)
    info = page(server, "?page=20000&page_limit=50")
    assert info["page_info"]["total_results"] == 1_000_000
    assert len(info["data"]) == 50
    oldest = info["data"][-1]["_id"]
    assert [a["_id"] for a in page(server, "?asset_ids=" + oldest)["data"]] == \
        [oldest]
    found = page(server, "?filename=meeting&page_limit=50")
    assert found["page_info"]["total_results"] > 10_000
    server.delete(random=1000, seed=3)
    assert page(server)["page_info"]["total_results"] == 999_000
    # Room for a record and a place in the order each, not for texts (which
    # are a gigabyte); sanitizers take their share.
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    resident_kb = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kb < 400_000


# Accounts


def test_the_plain_account_is_of_all_kinds(standin):
    assets = standin(assets=1000).assets()
    ready = [a for a in assets if a["status"] == "ready"]
    assert 900 < len(ready) < 1000
    for asset in ready:
        assert asset["size"] > 0 and asset["file_type"]
        assert asset["technical_metadata"]
    assert any("hls" not in a for a in ready)
    assert any("thumbnail" not in a for a in ready)
    urls = [a["thumbnail"]["representative_url"] for a in ready
            if a.get("thumbnail")]
    paths = [urllib.parse.urlsplit(u).path.rsplit("/", 1)[1] for u in urls]
    assert {"thumbnail.jpg", "thumbnail.png", "thumbnail.webp", "thumbnail",
            "thumb"} == set(paths)


def test_the_demo_account_has_names_to_show(standin):
    names = [a["filename"] for a in standin(account="demo").assets()]
    assert 60 <= len(names) <= 200 and len(set(names)) == len(names)
    assert "meeting-2026-03.mp4" in names


def test_the_hostile_account_is_what_it_threatens(standin):
    server = standin(assets=400, account="hostile")
    lines = server.dump().splitlines()
    assert len(lines) == server.count() == 400
    everything = server.dump()
    for piece in (b"9007199254740993", b"1e400", b"0.10", b":-0,", b"\\u0000",
                  b"\\ud800", b"\xff\xfe", b'"status=failed"', b'"100%25"',
                  b"javascript:", b"file:///", b"user:secret@", b'"hls":[',
                  b'"_id":"short"', b"model/gltf+json", b"VIDEO/MP4; codecs"):
        assert piece in everything, piece
    assert max(map(len, lines)) > 200_000
    assert sum(b'"_id"' not in line for line in lines) == 2
    stamps = [a.get("created_at") for a in server.assets()]
    assert max(stamps.count(s) for s in stamps if isinstance(s, str)) >= 120
    # The list carries the same bytes.
    answer = b"".join(ask(server, f"?page={n}&page_limit=50").body
                      for n in range(1, 9))
    for line in lines:
        assert line.rstrip(b"\n") in answer


def test_small_hostile_accounts_are_whole(standin):
    assert standin(assets=1, account="hostile").count() > 300


def test_an_odd_id_can_be_asked_for(standin):
    server = standin(account="hostile")
    for odd in ("short", "..", "id with ünïcode & ?#%"):
        quoted = urllib.parse.quote(odd, safe="").replace(".", "%2E")
        assert page(server, "?asset_ids=" + quoted)["data"][0]["_id"] == odd
        assert ask(server, path="/assets/" + quoted).json["_id"] == odd


# Changes


def test_creation_comes_on_top_and_late_insertion_in_its_place(server):
    before = server.ids()
    new = server.create(3)
    assert server.ids() == new[::-1] + before
    middle = [a for a in server.assets() if a["_id"] == before[60]][0]
    late = server.create(1, created_at=middle["created_at"])[0]
    ids = server.ids()
    assert ids.index(late) > 3 and ids.index(late) < ids.index(before[60])
    assert listed(server) == ids
    oldest = server.create(1, fields={"created_at": "2001-01-01T00:00:00Z"})[0]
    assert server.ids()[-1] == oldest


def test_deletion_by_id_place_chance_and_all(server):
    ids = server.ids()
    assert server.delete([ids[5]]) == [ids[5]]
    assert server.delete(index=[0, 1]) == [ids[0], ids[1]]
    assert len(server.delete(random=7, seed=2)) == 7
    assert len(server.ids()) == 120 and listed(server) == server.ids()
    assert ask(server, path=f"/assets/{ids[5]}").status == 404
    with pytest.raises(ControlError) as failure:
        server.delete([ids[5]])
    assert failure.value.status == 404
    server.delete(all=True)
    assert listed(server) == []
    assert page(server)["page_info"]["total_page"] == 0
    new = server.create(2)
    assert listed(server) == new[::-1]


def test_an_edit_keeps_every_other_byte(server):
    one = server.create(1, fields='{"user_metadata":{"big":9007199254740993,'
                                  '"cents":0.10,"huge":1e400}}')[0]
    before = server.raw(one)
    assert b'"big":9007199254740993,"cents":0.10,"huge":1e400' in before
    server.edit(one, {"user_metadata": {"cents": None, "new": [1, {"a": 2}]}})
    after = server.raw(one)
    assert after == before.replace(b',"cents":0.10', b"").replace(
        b'1e400', b'1e400,"new":[1, {"a": 2}]')
    server.edit(one, {"filename": None})
    assert "filename" not in json.loads(server.raw(one))
    assert server.ids()[0] == one


def test_a_whole_object_can_be_given_as_text(server):
    one = server.create(1, text='{"_id":"$ID","created_at":"$AT", "x":[1e400,'
                                '"\\ud800"],"u":"$MEDIA/a.jpg"}')[0]
    raw = server.raw(one)
    assert raw.startswith(b'{"_id":"' + one.encode() + b'","created_at":"20')
    assert raw.endswith(b'"x":[1e400,"\\ud800"],"u":"' +
                        server.media.encode() + b'/a.jpg"}')


def test_an_asset_gets_ready(server):
    one = server.create(1, status="processing",
                        fields={"filename": "clip.mp4"})[0]
    plain = server.create(1, status="processing")[0]
    for asset in (one, plain):
        raw = json.loads(server.raw(asset))
        assert raw["status"] == "processing" and "file_type" not in raw
        assert asset not in listed(server, "&asset_types=video&asset_types="
                                   "image&asset_types=audio"
                                   "&asset_types=document")
        server.status(asset, "ready")
        raw = json.loads(server.raw(asset))
        assert raw["status"] == "ready" and raw["size"] and raw["file_type"]
        server.status(asset, "failed")
        assert json.loads(server.raw(asset))["error"]["message"]


def test_churn_tells_who_stood_throughout(server):
    before = set(server.ids())
    server.churn(per_second=2000, seconds=60, seed=4)
    with pytest.raises(ControlError):
        server.churn()
    while server.churn_state()["steps"] < 60:
        page(server, "?page_limit=50")
    state = server.churn_stop()
    assert not state["running"] and not server.churning()
    stood = set(server.ids(before=state["mark"]))
    assert stood == before - set(state["deleted"])
    assert set(server.ids()) == \
        before.union(state["created"]) - set(state["deleted"])
    assert state["created"] and state["deleted"] and state["edited"]
    assert listed(server) == server.ids()


def test_control_refuses_nonsense(server):
    for path, body in (("create", "[1]"), ("create", "{"),
                       ("create", '{"count":-1}'),
                       ("create", '{"fields":[1]}'), ("delete", "{}"),
                       ("edit", '{"id":"x"}'), ("faults", '{"kind":"x"}'),
                       ("faults", '{"kind":"reset","match":{"pth":1}}'),
                       ("faults", '{}'), ("status", '{"id":"x"}'),
                       ("signing", '{"style":"x"}'),
                       ("churn", '{"per_second":0}'), ("nothing", "{}")):
        with pytest.raises(ControlError):
            server.control(path, body)
    with pytest.raises(ControlError):
        server.control("wait?counter=nothing")


# Counters


def test_requests_are_counted_and_logged(server):
    since = server.seq()
    one = server.ids()[0]
    page(server)
    ask(server, "?page_limit=99")
    ask(server, path="/assets/" + one)
    ask(server, path="/other")
    fetch(server.media + "/nothing", {"User-Agent": 'me "quoted"'})
    stats = server.stats()
    counted = {kind: n for kind, n in stats["requests"].items() if n}
    assert counted == {"list": 2, "retrieve": 1, "other": 2}
    assert stats["answered"] == stats["requests"]
    assert stats["by_status"] == {"200": 2, "400": 1, "404": 2}
    log = server.log(since=since)
    assert [e["path"] for e in log] == [
        "/v1.3/assets", "/v1.3/assets?page_limit=99", "/v1.3/assets/" + one,
        "/v1.3/other", "/nothing"]
    assert [e["seq"] for e in log] == list(range(since + 1, since + 6))
    assert log[4]["origin"] == "media" and log[4]["agent"] == 'me "quoted"'
    assert log[1]["status"] == 400 and log[1]["kind"] == "list"
    server.reset()
    assert server.stats()["requests"]["list"] == 0
    assert server.count() == 130


def test_waiting_for_an_event(server):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.wait, "answered.list", 3)
        for _ in range(3):
            page(server)
        assert waiting.result() == 3
    with pytest.raises(TimeoutError):
        server.wait("picture", 1, timeout=0.05)


def test_latency_holds_no_thread(standin):
    server = standin(assets=50, latency_ms=500)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: ask(server), range(40)))
    assert all(a.status == 200 for a in answers)
    assert all(e["ms"] >= 500 for e in server.log())
    assert server.stats()["max_parallel"] > 20  # of 8 threads


def test_sequential_requests_are_not_parallel(server):
    connection = http.client.HTTPConnection(
        urllib.parse.urlsplit(server.api).netloc)
    for _ in range(300):
        connection.request("GET", "/v1.3/assets",
                           headers={"x-api-key": server.key})
        assert connection.getresponse().read()
    connection.close()
    assert server.stats()["max_parallel"] == 1


@pytest.mark.parametrize("where", ["header", "other header", "query", "path",
                                   "encoded"])
def test_a_leaked_key_is_seen(server, where):
    key = server.key
    encoded = "".join(f"%{b:02x}" for b in key.encode())
    url, headers = {
        "header": ("/x", {"X-API-Key": "anything"}),
        "other header": ("/x", {"Referer": f"http://h/?k={key}"}),
        "query": (f"/x?key={key}", {}),
        "path": (f"/{key}/x", {}),
        "encoded": (f"/x?{encoded}", {}),
    }[where]
    fetch(server.media + "/x", {"User-Agent": "innocent"})
    assert server.stats()["key_leaks"] == 0
    fetch(server.media + url, headers)
    assert server.stats()["key_leaks"] == 1


def test_the_key_in_an_api_url_is_a_leak_and_in_its_header_none(server):
    page(server)
    assert server.stats()["key_leaks"] == 0
    ask(server, "?filename=" + server.key)
    assert server.stats()["key_leaks"] == 1


# Pictures and playlists


def test_pictures_are_what_their_type_says_and_differ(server):
    magic = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n",
             "image/webp": b"RIFF"}
    sums = set()
    urls = picture_urls(server)
    for url in urls.values():
        answer = fetch(url)
        assert answer.status == 200
        assert answer.body.startswith(magic[answer.headers["Content-Type"]])
        assert 2_000 < len(answer.body) < 120_000
        sums.add(hashlib.sha256(answer.body).digest())
        assert fetch(url).body == answer.body
    assert len(sums) == len(urls) > 50
    gone = next(iter(urls))
    server.delete([gone])
    assert fetch(urls[gone]).status == 404


def test_head_gives_no_body(server):
    url = next(iter(picture_urls(server).values()))
    answer = fetch(url, method="HEAD")
    assert answer.status == 200 and answer.body == b""
    assert int(answer.headers["Content-Length"]) == len(fetch(url).body)


def test_a_playlist_plays(server):
    url = next(a["hls"]["manifest_url"] for a in server.assets()
               if a.get("hls", {}).get("manifest_url"))
    answer = fetch(url)
    assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    lines = answer.body.decode().splitlines()
    assert lines[0] == "#EXTM3U" and lines[-1] == "#EXT-X-ENDLIST"
    segment = fetch(urllib.parse.urljoin(
        url, next(l for l in lines if not l.startswith("#"))))
    if server.control("")["clip"]:
        assert segment.status == 200
        assert len(segment.body) % 188 == 0
        assert set(segment.body[::188]) == {0x47}
    else:
        assert segment.status == 404
    if server.control("")["clip"] and shutil.which("ffprobe"):
        probe = subprocess.run(
            ["ffprobe", "-v", "error", "-count_packets", "-show_entries",
             "stream=codec_type,nb_read_packets", "-of", "json", url],
            capture_output=True, check=True, timeout=60)
        packets = {s["codec_type"]: int(s["nb_read_packets"])
                   for s in json.loads(probe.stdout)["streams"]}
        assert packets["video"] == 60 and packets["audio"] > 60


@pytest.mark.parametrize("style", ["expires", "amz", "token"])
def test_signed_urls(server, style):
    plain = picture_urls(server)
    server.signing(style=style)

    def signed():
        return [a["thumbnail"]["representative_url"]
                for a in page(server, "?page_limit=50")["data"]
                if a.get("thumbnail", {}).get("representative_url")]

    first, second = signed(), signed()
    assert first and not set(first) & set(second)
    for url in first[:10] + second[:10]:
        assert fetch(url).status == 200, url
    assert fetch(next(iter(plain.values()))).status == 403
    assert fetch(first[0][:-1] + ("0" if first[0][-1] != "0" else "1")) \
        .status == 403
    assert fetch(first[0] + "0").status == 403
    server.expire()
    assert fetch(first[0]).status == 403
    assert fetch(signed()[0]).status == 200
    server.signing(ttl_s=-5, style=style)
    assert fetch(signed()[0]).status == 403
    server.signing(on=False)
    assert signed()[0] in plain.values()


# The program


def test_it_comes_back_on_its_ports(server):
    ids, api = server.ids(), server.api
    assert server.stop() == 0
    server.start()
    assert (server.ids(), server.api) == (ids, api)


def test_it_ends_with_everybody_waiting(server):
    server.fault("stall", match={"kind": "list"})
    server.churn(seconds=1000)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        stalled = [pool.submit(ask, server) for _ in range(5)]
        waiting = pool.submit(server.wait, "picture", 1, 300)
        server.wait("list", 5)
        assert server.stop() == 0
        for one in stalled:
            with pytest.raises(OSError):
                one.result()
        with pytest.raises((OSError, TimeoutError)):
            waiting.result()


def test_it_ends_when_its_parent_does():
    server = Standin(assets=5)
    server.process.stdin.close()
    assert server.process.wait(20) == 0
    server.process.stdin = open(os.devnull)
    server.stop()


def test_it_says_where_it_is_in_a_file(tmp_path):
    ready = tmp_path / "ready.json"
    with Standin(assets=5, ready_file=ready) as server:
        assert json.loads(ready.read_text()) == {
            "api": server.api, "media": server.media,
            "control": server.control_url, "pid": server.pid,
            "key": server.key}


@pytest.mark.parametrize("arguments", [
    ["--assets", "-1"], ["--assets", "x"], ["--account", "rich"], ["--port",
    "70000"], ["--nothing"], ["--key", ""], ["extra"]])
def test_bad_options_are_refused(arguments):
    result = subprocess.run([str(default_binary()), *arguments],
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 2


def test_torn_and_odd_requests_do_no_harm(server):
    host, port = urllib.parse.urlsplit(server.api).netloc.split(":")
    for request in (b"", b"GET", b"\r\n\r\n", b"GET /v1.3/assets HTTP/1.1\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
                    b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\n\r\n",
                    b"POST /control/create HTTP/1.1\r\nHost: x\r\n"
                    b"Content-Length: 1000\r\n\r\n{",
                    b"GET /v1.3/assets?% HTTP/1.1\r\nHost: x\r\n\r\n",
                    b"GET /v1.3/assets?a=%4&&&=&b HTTP/1.1\r\nHost: x\r\n\r\n"):
        for linger in (0, 1):
            client = socket.create_connection((host, int(port)), 10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", linger, 0))
            client.sendall(request)
            client.close()
    assert listed(server) == server.ids()
    assert server.stop() == 0


# The official client


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_the_official_client_agrees():
    if not (CLIENT / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=CLIENT,
                       check=True, timeout=300)
    environment = {**os.environ,
                   "TWELVEFS_BUILD": str(default_binary().resolve()
                                         .parents[2])}
    result = subprocess.run(["node", "--test"], cwd=CLIENT, env=environment,
                            capture_output=True, text=True, check=False,
                            timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    with Standin(assets=120) as server:
        result = subprocess.run(["node", "paging.mjs"], cwd=CLIENT, check=True,
                                env={**environment, **server.env()},
                                capture_output=True, text=True, timeout=300)
        assert json.loads(result.stdout)["count"] == 120
