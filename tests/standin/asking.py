"""Plain requests to a stand-in, for its own tests."""
import http.client
import json
import urllib.parse


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def fetch(url, headers=None, method="GET", timeout=30):
    """One request on a connection of its own; redirects are not followed."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request(method, url[url.index(parts.netloc) +
                                       len(parts.netloc):] or "/",
                           headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def ask(server, query="", path="/assets", key=None, **more):
    return fetch(f"{server.api}{path}{query}",
                 {"x-api-key": key or server.key}, **more)


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
