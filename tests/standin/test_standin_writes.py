# SPDX-License-Identifier: MIT
"""The endpoints that write, as API.md has them, in every variant."""
import hashlib
import http.client
import socket
import struct
import urllib.parse

import pytest

from asking import (METADATA, MP4, PNG, SESSIONS, ask, begin, error, fetch,
                    form_body, object_of, page, report, send_json, status_of,
                    upload)


@pytest.fixture
def server(standin):
    return standin(assets=30)


def direct(data=MP4, name="clip.mp4", *more, kind="video/mp4"):
    return [("method", "direct"), ("file", data, name, kind), *more]


def made(server, fields=None):
    answer = upload(server, fields or direct())
    assert answer.status == 201, answer.body
    return answer.json["_id"]


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
