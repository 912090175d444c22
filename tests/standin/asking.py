# SPDX-License-Identifier: MIT
"""Plain requests to a stand-in, for its own tests."""
import http.client
import json
import urllib.parse

MP4 = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 500
METADATA = "/user-metadata"
SESSIONS = "/assets/multipart-uploads"


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def fetch(url, headers=None, method="GET", timeout=30, body=None):
    """One request on a connection of its own; redirects are not followed."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request(method, url[url.index(parts.netloc) +
                                       len(parts.netloc):] or "/",
                           headers=headers or {}, body=body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def ask(server, query="", path="/assets", key=None, headers=None, **more):
    return fetch(f"{server.api}{path}{query}",
                 {"x-api-key": key or server.key, **(headers or {})}, **more)


def page(server, query=""):
    answer = ask(server, query)
    assert answer.status == 200, answer.body
    return answer.json


def listed(server, query=""):
    """Every id that pages of 50 give."""
    ids = []
    for number in range(1, 1000):
        answer = page(server, f"?page={number}&page_limit=50{query}")
        if not answer["data"]:
            assert answer["page_info"]["total_results"] == len(ids)
            return ids
        ids += [asset["_id"] for asset in answer["data"]]
    raise AssertionError("no end")


def picture_urls(server):
    return {a["_id"]: a["thumbnail"]["representative_url"]
            for a in server.assets()
            if a.get("thumbnail", {}).get("representative_url")}


def send_json(server, method, path, value):
    """value: anything, or the body's very text."""
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    if isinstance(body, str):
        body = body.encode()
    return ask(server, path=path, method=method, body=body,
               headers={"Content-Type": "application/json"})


def form_body(fields, boundary="BOUNDARY"):
    """(name, value) or (name, bytes, filename, type) each."""
    body = b""
    for name, value, *file in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if file:
            head += f'; filename="{file[0]}"\r\nContent-Type: {file[1]}'
        value = value if isinstance(value, bytes) else value.encode()
        body += head.encode() + b"\r\n\r\n" + value + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def upload(server, fields, **more):
    """POST /assets with these parts of a form."""
    return ask(server, method="POST", body=form_body(fields), headers={
        "Content-Type": "multipart/form-data; boundary=BOUNDARY"}, **more)


def error(answer):
    return answer.status, answer.json["code"]


def object_of(server, one):
    return json.loads(server.raw(one))


def begin(server, data=MP4, **more):
    answer = send_json(server, "POST", SESSIONS, {
        "filename": "big.mp4", "type": "video", "total_size": len(data),
        **more})
    assert answer.status == 201, answer.body
    return answer.json


def report(server, session, proofs):
    return send_json(server, "POST", f"{SESSIONS}/{session['upload_id']}",
                     {"completed_chunks": proofs})


def status_of(server, session, query=""):
    return ask(server, query, path=f"{SESSIONS}/{session['upload_id']}").json
