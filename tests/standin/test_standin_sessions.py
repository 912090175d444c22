# SPDX-License-Identifier: MIT
"""Multipart uploads, as API.md has them, in every variant."""
import hashlib
import socket
import urllib.parse

import pytest

from asking import (MP4, SESSIONS, ask, begin, error, fetch, object_of, report,
                    send_json, status_of)
from standin import ControlError


@pytest.fixture
def server(standin):
    return standin(assets=30)


@pytest.fixture
def chunked(standin):
    return standin(assets=30, quirks={"chunk_size": 1000})


def put(url, data, headers=None):
    return fetch(url["url"], method="PUT", body=data, headers={
        "Content-Type": "application/octet-stream", **(headers or {})})


def parts(data, size=1000):
    return [data[i:i + size] for i in range(0, len(data), size)]


def proof(index, etag, data):
    return {"chunk_index": index, "proof": etag.strip('"'),
            "proof_type": "etag", "chunk_size": len(data)}


def more_urls(server, session, body):
    return send_json(server, "POST", f"{SESSIONS}/{session['upload_id']}"
                     "/presigned-urls", body)


def put_all(server, session, data=MP4):
    urls = {u["chunk_index"]: u for u in session["upload_urls"]}
    proofs = []
    for index, piece in enumerate(parts(data), 1):
        if index not in urls:
            more = more_urls(server, session, {"start": index, "count": 50})
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
    more = more_urls(chunked, session, {"start": 1, "count": 1}).json
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
    more = more_urls(chunked, session, {"start": 2, "count": 1}).json
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
    assert more_urls(chunked, session,
                     {"start": 1, "count": 1}).status == 400
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
    assert error(more_urls(chunked, begin(chunked), body)) == (400, code)


def test_more_urls(chunked):
    answer = more_urls(chunked, begin(chunked), {"start": 9, "count": 50})
    assert [u["chunk_index"] for u in answer.json["upload_urls"]] == \
        [9, 10, 11]
    assert answer.json["expires_at"]
