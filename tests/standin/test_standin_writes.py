# SPDX-License-Identifier: MIT
"""The endpoints that write, as API.md has them, in every variant."""
import hashlib
import http.client
import json
import socket
import struct
import urllib.parse

import pytest

from asking import ask, fetch, form_body, page, send_json, upload
from standin import ControlError

MP4 = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 500
METADATA = "/user-metadata"


@pytest.fixture
def server(standin):
    return standin(assets=30)


def direct(data=MP4, name="clip.mp4", *more, kind="video/mp4"):
    return [("method", "direct"), ("file", data, name, kind), *more]


def made(server, fields=None):
    answer = upload(server, fields or direct())
    assert answer.status == 201, answer.body
    return answer.json["_id"]


def error(answer):
    return answer.status, answer.json["code"]


def object_of(server, one):
    return json.loads(server.raw(one))


# POST /assets


def test_a_direct_upload(server):
    answer = upload(server, direct(MP4, "täg $ID.mp4", ("enable_hls", "true"),
                                   ("enable_thumbnail", "true"),
                                   ("user_metadata",
                                    '{"a":"x","n":9007199254740993}')))
    assert answer.status == 201
    subset = answer.json
    assert set(subset) == {"_id", "method", "status", "filename", "file_type",
                           "created_at", "user_metadata"}
    assert (subset["method"], subset["status"], subset["filename"]) == \
        ("direct", "processing", "täg $ID.mp4")
    assert b'"n":9007199254740993' in answer.body
    one = subset["_id"]
    assert server.ids()[0] == one and page(server)["data"][0]["_id"] == one
    assert object_of(server, one)["hls"] == {"status": "pending"}
    server.settle()
    ready = ask(server, path="/assets/" + one).json
    assert (ready["status"], ready["size"]) == ("ready", len(MP4))
    assert ready["hls"]["manifest_url"] and ready["duration"] > 0
    assert fetch(ready["thumbnail"]["representative_url"]).status == 200
    [arrived] = server.uploads()
    assert arrived == {
        "asset_id": one, "bytes": len(MP4), "method": "direct",
        "sha256": hashlib.sha256(MP4).hexdigest(), "filename": "täg $ID.mp4",
        "part_filename": "täg $ID.mp4", "part_type": "video/mp4",
        "upload_id": None, "parts":
        "method,file,enable_hls,enable_thumbnail,user_metadata"}
    assert server.stats()["requests"]["create"] == 1


def test_what_was_not_asked_for_is_not_there(server):
    one = made(server)
    server.settle()
    assert not {"hls", "thumbnail"} & set(object_of(server, one))
    image = made(server, direct(PNG, "a.png", kind="image/png"))
    server.settle()
    assert "duration" not in object_of(server, image)
    assert object_of(server, image)["file_type"] == "image/png"


def test_the_same_bytes_twice_are_two_assets(server):
    assert made(server) != made(server)
    assert server.count() == 32


def test_the_filename_given_counts(server):
    one = made(server, direct(MP4, "a.mp4", ("filename", "b/c.mov")))
    assert object_of(server, one)["filename"] == "b/c.mov"
    longest = "é" * 251 + ".mp4"
    assert upload(server, direct(MP4, "a.mp4", ("filename", longest))) \
        .json["filename"] == longest
    for bad in ("", "é" * 252 + ".mp4"):
        assert error(upload(server, direct(MP4, "a.mp4",
                                           ("filename", bad)))) == \
            (400, "parameter_invalid")


def test_an_upload_by_url(server):
    one = made(server, [("method", "url"),
                        ("url", "https://h.example/x/my%20clip.mp4?sig=1")])
    assert object_of(server, one)["filename"] == "my clip.mp4"
    assert object_of(server, one)["method"] == "url"
    assert server.uploads()[0]["bytes"] == -1


@pytest.mark.parametrize("fields, code", [
    ([], "parameter_not_provided"),
    ([("method", "ftp")], "parameter_invalid"),
    ([("method", "direct")], "parameter_not_provided"),
    ([("method", "url")], "parameter_not_provided"),
    ([("method", "url"), ("url", "file:///etc/passwd")], "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("colour", "red")), "parameter_unknown"),
    (direct(MP4, "clip.mp4", ("enable_hls", "yes")), "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("enable_thumbnail", "1")), "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("user_metadata", "{")), "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("user_metadata", "[1]")), "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("user_metadata", '{"a":[1]}')),
     "parameter_invalid"),
    (direct(MP4, "clip.mp4", ("user_metadata", '{"a":null}')),
     "parameter_invalid"),
    (direct(MP4, "clip.xyz"), "parameter_invalid"),
    (direct(b"", "clip.mp4"), "video_file_broken"),
    (direct(b"BROKEN", "clip.mp4"), "video_file_broken"),
    (direct(b"text", "paper.pdf"), "video_file_broken"),
    (direct(MP4, "photo.jpg"), "video_file_broken"),
])
def test_bad_uploads_are_told_apart(server, fields, code):
    assert error(upload(server, fields)) == (400, code)
    assert server.count() == 30 and server.uploads() == []


def test_a_body_that_is_no_form(server):
    assert error(ask(server, method="POST", body=b"{}")) == \
        (400, "parameter_invalid")
    assert ask(server, key="wrong", method="POST",
               body=form_body(direct())).status == 401


def test_a_refusal_that_comes_later(server):
    server.quirk(refusal="later")
    one = made(server, direct(b"BROKEN", "clip.mp4"))
    assert object_of(server, one)["status"] == "processing"
    server.settle()
    assert object_of(server, one)["status"] == "failed"
    assert object_of(server, one)["error"]["message"]


def test_at_once_ready_or_after_a_while(server):
    server.quirk(create_status="ready")
    assert upload(server, direct()).json["status"] == "ready"
    server.quirk(create_status="processing", ready_after_ms=3600000)
    assert upload(server, direct()).json["status"] == "processing"
    server.quirk(ready_after_ms=0)
    one = made(server)
    assert ask(server, path="/assets/" + one).json["status"] == "ready"


def test_too_large(server):
    server.quirk(direct_max=1000, image_max=400)
    assert error(upload(server, direct(MP4[:1001]))) == \
        (400, "video_filesize_too_large")
    assert upload(server, direct(MP4[:1000])).status == 201
    assert upload(server, direct(PNG, "a.png")).status == 400
    server.quirk(oversize="413")
    answer = upload(server, direct())
    assert answer.status == 413 and not answer.body.startswith(b"{")


def test_no_credit(server):
    server.quirk(no_credit="402")
    assert upload(server, direct()).status == 402
    server.quirk(no_credit="400")
    assert error(upload(server, direct())) == (400, "usage_limit_exceeded")
    assert server.count() == 30


def test_the_answer_is_lost_after_the_asset_was_made(server):
    server.fault("lost_answer", match={"kind": "create", "count": 1})
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        upload(server, direct())
    assert server.count() == 31 and len(server.uploads()) == 1
    server.fault("late_answer", ms=50, match={"kind": "create", "count": 1})
    assert upload(server, direct()).status == 201
    server.fault("status", status=503, match={"kind": "create", "count": 1})
    assert upload(server, direct()).status == 503
    assert server.count() == 33  # 5xx after the server took it


def test_an_upload_that_breaks_off_makes_nothing(server):
    host, port = urllib.parse.urlsplit(server.api).netloc.split(":")
    body = form_body(direct(MP4 * 50))
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(b"POST /v1.3/assets HTTP/1.1\r\nHost: x\r\nx-api-key: "
                       + server.key.encode() + b"\r\nContent-Type: multipart/"
                       b"form-data; boundary=BOUNDARY\r\nContent-Length: "
                       + str(len(body)).encode() + b"\r\n\r\n"
                       + body[:len(body) // 2])
        server.wait("create", 1)
        # A reset: libmicrohttpd may miss an end that comes with the last bytes
        # (epoll says it once).
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    server.wait("answered.create", 1)
    assert server.count() == 30 and server.uploads() == []


def test_a_large_upload_streams(server):
    data = MP4[:12] + b"z" * 60_000_000
    assert upload(server, direct(data), timeout=120).status == 201
    assert server.uploads()[0]["sha256"] == hashlib.sha256(data).hexdigest()
    status = open(f"/proc/{server.pid}/status").read()
    assert int(status.split("VmHWM:")[1].split()[0]) < 400_000


# DELETE


@pytest.mark.parametrize("form, status, body", [
    ("204", 204, b""), ("empty", 200, b""), ("object", 200, b"{}")])
def test_a_deletion(server, form, status, body):
    server.quirk(delete_answer=form)
    one = server.ids()[3]
    answer = ask(server, path="/assets/" + one, method="DELETE")
    assert (answer.status, answer.body) == (status, body)
    assert one not in server.ids() and server.count() == 29
    again = ask(server, path="/assets/" + one, method="DELETE")
    assert error(again) == (404, "resource_not_exist")
    assert server.stats()["requests"]["delete"] == 2


def test_a_deletion_of_what_is_in_use(server):
    one = server.ids()[3]
    server.in_use(one)
    for query in ("", "?force=false"):
        assert ask(server, query, path="/assets/" + one,
                   method="DELETE").status == 409
    assert server.count() == 30
    for query, code in (("?force=1", "parameter_invalid"),
                        ("?x=1", "parameter_unknown")):
        assert error(ask(server, query, path="/assets/" + one,
                         method="DELETE")) == (400, code)
    assert ask(server, "?force=true", path="/assets/" + one,
               method="DELETE").status == 204
    other = server.ids()[4]
    server.in_use(other)
    server.in_use(other, on=False)
    assert ask(server, path="/assets/" + other, method="DELETE").status == 204


# user-metadata


@pytest.fixture
def tagged(server):
    return server, server.create(1, text={
        "_id": "$ID", "created_at": "$AT",
        "user_metadata": {"keep": 1, "goes": "x", "é": True}})[0]


def metadata(server, one):
    return object_of(server, one).get("user_metadata")


def send(server, method, one, value):
    return send_json(server, method, f"/assets/{one}{METADATA}",
                     {"user_metadata": value})


def test_patch_merges(tagged):
    server, one = tagged
    answer = send(server, "PATCH", one, {"goes": None, "new": 1.5, "é": "ü",
                                         "empty": "", "keep": ""})
    assert (answer.status, answer.body) == (200, b"")
    assert metadata(server, one) == {"keep": 1, "new": 1.5, "é": "ü"}
    server.quirk(metadata_answer="object")
    assert send(server, "PATCH", one, {}).body == b"{}"
    raw = send_json(server, "PATCH", f"/assets/{one}{METADATA}",
                    '{"user_metadata":{"big":9007199254740993}}')
    assert raw.status == 200 and b"9007199254740993" in server.raw(one)
    assert server.stats()["requests"]["metadata"] == 3


def test_put_replaces_and_delete_clears(tagged):
    server, one = tagged
    assert send(server, "PUT", one, {"a": False, "keep": 2}).status == 200
    assert metadata(server, one) == {"a": False, "keep": 2}
    assert send(server, "PUT", one, {}).status == 200
    assert metadata(server, one) == {}
    send(server, "PUT", one, {"b": 1})
    answer = ask(server, path=f"/assets/{one}{METADATA}", method="DELETE")
    assert answer.status == 200 and metadata(server, one) == {}
    server.quirk(empty_metadata="absent")
    assert ask(server, path=f"/assets/{one}{METADATA}",
               method="DELETE").status == 200
    assert metadata(server, one) is None
    assert send(server, "PATCH", one, {"c": "d"}).status == 200
    assert metadata(server, one) == {"c": "d"}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("body, code", [
    ("", "parameter_invalid"), ("[]", "parameter_invalid"),
    ("{}", "parameter_not_provided"),
    ('{"user_metadata":1}', "parameter_invalid"),
    ('{"user_metadata":{"a":[1]}}', "parameter_invalid"),
    ('{"user_metadata":{"a":{}}}', "parameter_invalid"),
    ('{"user_metadata":{},"x":1}', "parameter_unknown"),
])
def test_bad_metadata_is_refused(tagged, method, body, code):
    server, one = tagged
    before = server.raw(one)
    assert error(send_json(server, method, f"/assets/{one}{METADATA}",
                           body)) == (400, code)
    assert server.raw(one) == before


def test_null_is_no_value_of_a_put(tagged):
    server, one = tagged
    assert error(send(server, "PUT", one, {"a": None})) == \
        (400, "parameter_invalid")
    assert send(server, "PATCH", "f" * 24, {"a": 1}).status == 404
    assert send(server, "POST", one, {"a": 1}).status == 405


# Multipart uploads


SESSIONS = "/assets/multipart-uploads"


@pytest.fixture
def chunked(standin):
    return standin(assets=30, quirks={"chunk_size": 1000})


def begin(server, data=MP4, **more):
    answer = send_json(server, "POST", SESSIONS, {
        "filename": "big.mp4", "type": "video", "total_size": len(data),
        **more})
    assert answer.status == 201, answer.body
    return answer.json


def put(url, data, headers=None):
    return fetch(url["url"], method="PUT", body=data, headers={
        "Content-Type": "application/octet-stream", **(headers or {})})


def parts(data, size=1000):
    return [data[i:i + size] for i in range(0, len(data), size)]


def proof(index, etag, data):
    return {"chunk_index": index, "proof": etag.strip('"'),
            "proof_type": "etag", "chunk_size": len(data)}


def report(server, session, proofs):
    return send_json(server, "POST", f"{SESSIONS}/{session['upload_id']}",
                     {"completed_chunks": proofs})


def status_of(server, session, query=""):
    return ask(server, query, path=f"{SESSIONS}/{session['upload_id']}").json


def put_all(server, session, data=MP4):
    urls = {u["chunk_index"]: u for u in session["upload_urls"]}
    proofs = []
    for index, piece in enumerate(parts(data), 1):
        if index not in urls:
            more = send_json(server, "POST", f"{SESSIONS}/"
                             f"{session['upload_id']}/presigned-urls",
                             {"start": index, "count": 50})
            assert more.status == 200, more.body
            urls.update({u["chunk_index"]: u
                         for u in more.json["upload_urls"]})
        answer = put(urls[index], piece)
        assert answer.status == 200, answer.body
        proofs.append(proof(index, answer.headers["ETag"], piece))
    return proofs


def test_a_whole_multipart_upload(chunked):
    session = begin(chunked, enable_hls=True, enable_thumbnail=True,
                    user_metadata={"a": 1})
    assert set(session) == {"upload_id", "asset_id", "upload_urls",
                            "upload_headers", "chunk_size", "total_chunks",
                            "expires_at"}
    assert session["chunk_size"] == 1000 and session["total_chunks"] == 11
    assert [u["chunk_index"] for u in session["upload_urls"]] == \
        list(range(1, 11))
    assert not session["upload_urls"][0]["url"].startswith(chunked.api)
    one = session["asset_id"]
    assert chunked.ids()[0] == one
    assert object_of(chunked, one)["status"] == "processing"
    proofs = put_all(chunked, session)
    first = report(chunked, session, proofs[:5])
    assert first.json == {"asset_id": one, "processed_chunks": 5,
                          "duplicate_chunks": 0, "total_completed": 5}
    state = status_of(chunked, session)
    assert state["status"] == "active" and state["chunks_completed"] == 5
    assert [c["status"] for c in state["uploaded_chunks"]] == \
        ["completed"] * 5 + ["pending"] * 5
    assert len(status_of(chunked, session, "?page=2")["uploaded_chunks"]) == 1
    assert chunked.uploads() == []
    last = report(chunked, session, proofs[3:])
    assert last.json["duplicate_chunks"] == 2 and last.json["url"]
    assert last.json["total_completed"] == 11
    again = report(chunked, session, proofs[:1])
    assert again.status == 200 and "url" not in again.json
    assert status_of(chunked, session)["status"] == "completed"
    chunked.settle()
    ready = object_of(chunked, one)
    assert (ready["status"], ready["size"], ready["user_metadata"]) == \
        ("ready", len(MP4), {"a": 1})
    assert ready["hls"]["manifest_url"]
    [arrived] = chunked.uploads()
    assert arrived["sha256"] == hashlib.sha256(MP4).hexdigest()
    assert arrived["upload_id"] == session["upload_id"]
    counted = chunked.stats()["requests"]
    assert (counted["session_create"], counted["chunk"], counted["report"],
            counted["urls"], counted["session_status"]) == (1, 11, 3, 1, 3)
    assert chunked.stats()["key_leaks"] == 0


def test_chunks_in_any_order(chunked):
    chunked.quirk(first_urls=0)
    session = begin(chunked)
    assert len(session["upload_urls"]) == 11
    proofs = []
    for url in reversed(session["upload_urls"]):
        piece = parts(MP4)[url["chunk_index"] - 1]
        proofs.append(proof(url["chunk_index"],
                            put(url, piece).headers["ETag"], piece))
    report(chunked, session, proofs)
    assert chunked.uploads()[0]["sha256"] == hashlib.sha256(MP4).hexdigest()


@pytest.mark.parametrize("change, code", [
    ({"filename": None}, "parameter_invalid"),
    ({"filename": ""}, "parameter_invalid"),
    ({"filename": "x.pdf", "type": "document"}, "parameter_invalid"),
    ({"filename": "x.pdf"}, "parameter_invalid"),
    ({"filename": "x.png"}, "parameter_invalid"),
    ({"type": "film"}, "parameter_invalid"),
    ({"total_size": 0}, "parameter_invalid"),
    ({"total_size": 1.5}, "parameter_invalid"),
    ({"total_size": "9"}, "parameter_invalid"),
    ({"total_size": 10_000_000_001}, "video_filesize_too_large"),
    ({"filename": "x.png", "type": "image", "total_size": 32_000_001},
     "video_filesize_too_large"),
    ({"enable_hls": "true"}, "parameter_invalid"),
    ({"user_metadata": '{"a":1}'}, "parameter_invalid"),
    ({"user_metadata": {"a": []}}, "parameter_invalid"),
    ({"colour": 1}, "parameter_unknown"),
])
def test_bad_sessions_are_refused(server, change, code):
    answer = send_json(server, "POST", SESSIONS, {
        "filename": "x.mp4", "type": "video", "total_size": 5, **change})
    assert error(answer) == (400, code)
    assert server.sessions() == [] and server.count() == 30


def test_what_a_session_needs(server):
    for name in ("filename", "type", "total_size"):
        body = {"filename": "x.mp4", "type": "video", "total_size": 5}
        del body[name]
        assert error(send_json(server, "POST", SESSIONS, body)) == \
            (400, "parameter_not_provided")
    server.quirk(multipart="refused")
    assert error(send_json(server, "POST", SESSIONS, {})) == \
        (403, "api_not_allowed")


def test_a_url_is_good_for_one_use(chunked):
    session = begin(chunked)
    url, piece = session["upload_urls"][0], MP4[:1000]
    assert put(url, piece).status == 200
    answer = put(url, piece)
    assert answer.status == 403 and b"<Error>" in answer.body
    more = send_json(chunked, "POST", f"{SESSIONS}/{session['upload_id']}"
                     "/presigned-urls", {"start": 1, "count": 1}).json
    assert put(more["upload_urls"][0], piece).status == 200
    assert chunked.sessions()[0]["chunks"][0]["puts"] == 2
    chunked.quirk(url_reuse="allowed")
    assert put(url, piece).status == 200


@pytest.mark.parametrize("spent, status", [("success", 200), ("attempt", 403)])
def test_an_attempt_that_breaks_off(chunked, spent, status):
    chunked.quirk(url_spent=spent)
    url = begin(chunked)["upload_urls"][0]
    parsed = urllib.parse.urlsplit(url["url"])
    host, port = parsed.netloc.split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.sendall(f"PUT {parsed.path}?{parsed.query} HTTP/1.1\r\nHost: x"
                       "\r\nContent-Type: application/octet-stream\r\n"
                       "Content-Length: 1000\r\n\r\nhalf".encode())
        chunked.wait("chunk", 1)
    chunked.wait("answered.chunk", 1)
    assert put(url, MP4[:1000]).status == status


def test_urls_that_are_forged_or_expired(chunked):
    session = begin(chunked)
    url = session["upload_urls"][0]
    for bad in (url["url"].replace("/1?", "/2?"), url["url"][:-1] + "g",
                url["url"].split("?")[0]):
        assert put({"url": bad}, b"x").status == 403
    assert fetch(url["url"], method="PUT", body=b"x",
                 headers={"Content-Type": "text/plain"}).status == 403
    assert put(url, b"x" * 1001).status == 400
    chunked.expire_urls()
    assert b"expired" in put(url, MP4[:1000]).body
    chunked.quirk(url_ttl_s=0)
    more = send_json(chunked, "POST", f"{SESSIONS}/{session['upload_id']}"
                     "/presigned-urls", {"start": 2, "count": 1}).json
    assert put(more["upload_urls"][0], MP4[:1000]).status == 403


def test_headers_that_an_upload_must_bring(chunked):
    chunked.quirk(upload_headers="required")
    session = begin(chunked)
    url = session["upload_urls"][0]
    assert session["upload_headers"]
    assert put(url, MP4[:1000]).status == 403
    assert put(url, MP4[:1000], session["upload_headers"]).status == 200


@pytest.mark.parametrize("form", ["quoted", "bare", "absent", "weak"])
def test_etags(chunked, form):
    chunked.quirk(etag=form)
    etag = put(begin(chunked)["upload_urls"][0], MP4[:1000]).headers["ETag"]
    md5 = hashlib.md5(MP4[:1000]).hexdigest()
    assert etag == {"quoted": f'"{md5}"', "bare": md5, "absent": None,
                    "weak": f'W/"{md5}"'}[form]


def test_reports_that_are_wrong(chunked):
    session = begin(chunked)
    etag = put(session["upload_urls"][0], MP4[:1000]).headers["ETag"]
    good = proof(1, etag, MP4[:1000])
    for bad in ([], [good] * 51, [{**good, "proof": etag}],
                [{**good, "proof": "0" * 32}], [{**good, "chunk_index": 2}],
                [{**good, "chunk_index": 99}], [{**good, "chunk_size": 999}],
                [{**good, "proof_type": "md5"}],
                [good, {**good, "chunk_index": 3}]):
        assert error(report(chunked, session, bad)) == \
            (400, "parameter_invalid"), bad
    assert error(send_json(chunked, "POST", f"{SESSIONS}/"
                           f"{session['upload_id']}", {})) == \
        (400, "parameter_not_provided")
    assert status_of(chunked, session)["chunks_completed"] == 0
    assert report(chunked, {"upload_id": "0" * 24}, [good]).status == 404
    assert report(chunked, session, [good]).status == 200


def test_a_short_chunk_can_not_be_reported(chunked):
    session = begin(chunked)
    etag = put(session["upload_urls"][0], b"short").headers["ETag"]
    assert report(chunked, session,
                  [proof(1, etag, b"short")]).status == 400


def test_a_status_that_lags_behind_the_last_report(chunked):
    session = begin(chunked, MP4[:2500])
    proofs = put_all(chunked, session, MP4[:2500])
    chunked.quirk(session_lag=1)
    report(chunked, session, proofs[:1])
    assert status_of(chunked, session)["chunks_completed"] == 0
    report(chunked, session, proofs[1:])
    state = status_of(chunked, session)
    assert (state["status"], state["chunks_completed"]) == ("active", 1)
    assert [c["status"] for c in state["uploaded_chunks"]] == \
        ["completed", "pending", "pending"]
    chunked.quirk(session_lag=0)
    assert status_of(chunked, session)["status"] == "completed"


def test_an_asset_that_is_listed_when_it_is_complete(chunked):
    chunked.quirk(multipart_listed="complete")
    session = begin(chunked, MP4[:2500])
    one = session["asset_id"]
    assert one not in chunked.ids() and chunked.count() == 30
    assert ask(chunked, path="/assets/" + one).status == 404
    report(chunked, session, put_all(chunked, session, MP4[:2500]))
    assert chunked.ids()[0] == one
    assert object_of(chunked, one)["filename"] == "big.mp4"


def test_sessions_expire(chunked):
    session, other = begin(chunked), begin(chunked)
    listed = ask(chunked, path=SESSIONS).json
    assert [s["upload_id"] for s in listed["data"]] == \
        [other["upload_id"], session["upload_id"]]
    assert not {"asset_id", "filename"} & set(listed["data"][0])
    assert listed["page_info"]["total_results"] == 2
    chunked.expire_sessions(session["upload_id"])
    assert status_of(chunked, session)["status"] == "expired"
    assert put(session["upload_urls"][0], MP4[:1000]).status == 404
    assert report(chunked, session, [proof(1, "x", b"x")]).status == 400
    assert send_json(chunked, "POST", f"{SESSIONS}/{session['upload_id']}"
                     "/presigned-urls", {"start": 1, "count": 1}).status == 400
    one_a_page = ask(chunked, "?page_limit=1&page=2", path=SESSIONS).json
    assert one_a_page["data"] == []
    chunked.quirk(session_ttl_s=0)
    assert status_of(chunked, begin(chunked))["status"] == "expired"
    with pytest.raises(ControlError):
        chunked.expire_sessions("nothing")


@pytest.mark.parametrize("body, code", [
    ({"start": 0, "count": 1}, "parameter_invalid"),
    ({"start": 1, "count": 51}, "parameter_invalid"),
    ({"start": 1, "count": 0}, "parameter_invalid"),
    ({"start": 12, "count": 1}, "parameter_invalid"),
    ({"start": 1}, "parameter_not_provided"),
    ({"start": 1, "count": 1, "x": 1}, "parameter_unknown"),
])
def test_bad_requests_for_urls(chunked, body, code):
    session = begin(chunked)
    assert error(send_json(chunked, "POST", f"{SESSIONS}/"
                           f"{session['upload_id']}/presigned-urls", body)) \
        == (400, code)


def test_more_urls(chunked):
    session = begin(chunked)
    answer = send_json(chunked, "POST", f"{SESSIONS}/{session['upload_id']}"
                       "/presigned-urls", {"start": 9, "count": 50})
    assert [u["chunk_index"] for u in answer.json["upload_urls"]] == \
        [9, 10, 11]
    assert answer.json["expires_at"]


@pytest.mark.parametrize("path, method", [
    (SESSIONS, "PUT"), (SESSIONS + "/x", "DELETE"),
    (SESSIONS + "/x/presigned-urls", "GET"), ("/assets/x", "POST"),
    ("/assets/x" + METADATA, "GET")])
def test_methods_that_are_not_allowed(server, path, method):
    answer = ask(server, path=path, method=method)
    assert error(answer) == (405, "api_not_allowed")
    assert answer.headers["Allow"]


def test_limits_of_one_category(server):
    server.ratelimit(0, category="create")
    assert upload(server, direct()).status == 429
    assert ask(server).status == 200
    session = begin(server)
    server.ratelimit(0, category="multipart")
    assert report(server, session, []).status == 429
    assert status_of(server, session)["status"] == "active"
    server.ratelimit(0, category="change")
    one = server.ids()[0]
    assert send(server, "PATCH", one, {"a": 1}).status == 429
    assert ask(server, path="/assets/" + one, method="DELETE").status == 429
    assert server.count() == 31
