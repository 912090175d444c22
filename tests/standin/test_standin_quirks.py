# SPDX-License-Identifier: MIT
"""Each quirk does what its line in GET /control/help says, and by itself."""
import http.client
import json
import subprocess

import pytest

from asking import ask, fetch, page, picture_urls
from standin import ControlError, default_binary


@pytest.fixture
def server(standin):
    return standin(assets=130)


def ids_of(answer):
    return [asset["_id"] for asset in answer["data"]]


def walk(server, limit=50):
    ids = []
    for number in range(1, 1000):
        found = ids_of(page(server, f"?page={number}&page_limit={limit}"))
        if not found:
            return ids
        ids += found


def total(server, query=""):
    return page(server, query)["page_info"]["total_results"]


def test_all_quirks_are_listed_and_begin_as_documented(server):
    quirks = server.quirks()
    text = server.control_bytes("help").decode()
    for name in quirks:
        assert f"\n{name}=" in text
    server.quirk(total_delta=3, ties="random")
    assert server.quirks() == {**quirks, "total_delta": 3, "ties": "random"}
    server.clear_quirks()
    assert server.quirks() == quirks


@pytest.mark.parametrize("bad", [{"no_such": 1}, {"ties": "sometimes"},
                                 {"ties": 9}, {"page_cap": 51},
                                 {"page_cap": []}, {"total_delta": "x"}])
def test_a_bad_quirk_changes_nothing(server, bad):
    before = server.quirks()
    with pytest.raises(ControlError):
        server.quirk(total_jump=4, **bad)
    assert server.quirks() == before


def test_quirks_and_faults_by_command_line(standin):
    server = standin(assets=20, quirks={"total_delta": -5, "ties": "random"},
                     fault=json.dumps({"kind": "status", "status": 503,
                                       "match": {"count": 1}}))
    assert ask(server).status == 503
    assert total(server) == 15
    for bad in (["--quirk", "ties"], ["--quirk", "ties=x"],
                ["--fault", "{"], ["--fault", '{"kind":"x"}']):
        result = subprocess.run([str(default_binary()), *bad],
                                capture_output=True, check=False, timeout=60)
        assert result.returncode == 2, bad


# Totals


def test_a_frozen_total(server):
    server.quirk(total_frozen=1)
    new = server.create(7)
    server.delete(index=[20, 21])
    answer = page(server)
    assert answer["page_info"]["total_results"] == 130
    assert ids_of(answer)[:7] == new[::-1]
    assert total(server, "?asset_ids=" + new[0]) == 1
    server.quirk(total_frozen=0)
    assert total(server) == 135


def test_a_frozen_total_of_a_filter(server):
    before = total(server, "?asset_types=video")
    server.quirk(total_frozen=1)
    server.create(4, fields={"file_type": "video/mp4"})
    answer = page(server, "?asset_types=video")
    assert answer["page_info"]["total_results"] == before
    assert len(walk(server)) == 134
    server.clear_quirks()
    assert total(server, "?asset_types=video") == before + 4


def test_a_total_that_lags(server):
    server.quirk(total_lag_ms=3600000)
    server.create(3)
    assert total(server) == 130
    server.quirk(total_lag_ms=0)
    assert total(server) == 133


@pytest.mark.parametrize("delta, seen", [(60, 190), (-60, 70), (-1000, 0)])
def test_a_total_that_is_wrong_by_a_constant(server, delta, seen):
    server.quirk(total_delta=delta)
    assert total(server) == total(server, "?page=2") == seen
    assert len(walk(server)) == 130
    assert total(server, "?asset_ids=" + server.ids()[0]) == 1


def test_a_total_that_jumps(server):
    server.quirk(total_jump=10)
    totals = [total(server) for _ in range(30)]
    assert len(set(totals)) > 5
    assert all(120 <= n <= 140 for n in totals)


@pytest.mark.parametrize("form, text", [
    ("absent", None), ("null", b'"total_results":null'),
    ("string", b'"total_results":"130"'), ("float", b'"total_results":130.0'),
    ("no_page_info", None)])
def test_a_total_of_another_form(server, form, text):
    server.quirk(total_form=form)
    answer = ask(server)
    assert len(answer.json["data"]) == 10
    if text:
        assert text in answer.body
    else:
        assert b"total" not in answer.body
    assert ("page_info" in answer.json) == (form != "no_page_info")


# Order and pages


@pytest.fixture
def tied(standin):
    server = standin(assets=30)
    server.create(200, created_at="2026-10-02T00:00:00Z")
    return server


def test_ties_at_random(tied):
    tied.quirk(ties="random")
    seen = [ids_of(page(tied, "?page_limit=50&page=2")) for _ in range(5)]
    assert len({tuple(ids) for ids in seen}) == 5
    assert all(set(ids) <= set(tied.ids()[:200]) for ids in seen)
    assert len(set(walk(tied))) < 230  # twice shown, and lost for that
    # Only ties: the thirty others keep their order where no second is shared.
    assert set(ids_of(page(tied, "?page_limit=50&page=5"))) == \
        set(tied.ids()[200:])


def test_ties_by_query(tied):
    tied.quirk(ties="by_query")
    one, again, other = (walk(tied, n) for n in (50, 50, 49))
    assert one == again
    assert sorted(one) == sorted(other) == sorted(tied.ids())
    assert one != other
    tied.clear_quirks()
    assert walk(tied) == tied.ids()


@pytest.mark.parametrize("says, told", [("capped", 20), ("asked", 50)])
def test_pages_are_capped(server, says, told):
    server.quirk(page_cap=20, page_cap_says=says)
    answer = page(server, "?page_limit=50&page=2")
    assert ids_of(answer) == server.ids()[20:40]
    assert answer["page_info"]["limit_per_page"] == told
    assert len(page(server)["data"]) == 10
    assert walk(server) == server.ids()


# Answers from a moment ago


def test_frozen_answers(server):
    before = server.ids()
    edited = before[3]
    text = server.raw(edited)
    server.quirk(stale_frozen=1)
    new = server.create(2)
    server.delete([before[5]])
    server.edit(edited, {"user_metadata": {"a": 1}})
    server.edit(edited, {"user_metadata": {"a": 2}})
    server.status(before[9], "failed")
    old = page(server, "?page_limit=50")
    assert ids_of(old) == before[:50]
    assert old["page_info"]["total_results"] == 130
    assert text in ask(server, "?page_limit=50").body
    assert ask(server, path="/assets/" + edited).body == text
    assert ask(server, path="/assets/" + before[5]).status == 200
    assert ask(server, path="/assets/" + new[0]).status == 404
    found = page(server, f"?asset_ids={before[5]}&asset_ids={new[0]}")
    assert ids_of(found) == [before[5]]
    assert found["page_info"]["total_results"] == 1
    server.quirk(stale_frozen=0)
    assert ids_of(page(server, "?page_limit=50")) == server.ids()[:50]
    assert ask(server, path="/assets/" + edited).body != text


def test_every_second_answer_is_frozen(server):
    before = server.ids()
    server.clear_quirks()
    server.quirk(stale_frozen=1, stale_every=2)
    server.delete(all=True)
    seen = [ids_of(page(server)) for _ in range(6)]
    assert seen == [[], before[:10]] * 3


def test_answers_of_some_seconds_ago(server):
    server.quirk(stale_ms=3600000)
    before = server.ids()
    server.delete(random=50, seed=2)
    server.create(5)
    assert walk(server) == before
    server.clear_quirks()
    assert walk(server) == server.ids() != before


def test_the_past_of_a_busy_account(server):
    server.quirk(stale_frozen=1)
    before, texts = server.ids(), server.dump()
    server.churn(per_second=3000, seconds=60, seed=5)
    while server.churn_state()["steps"] < 1500:
        assert walk(server) == before
    server.churn_stop()
    assert walk(server) == before
    page_text = ask(server, "?page_limit=50").body
    for line in texts.splitlines()[:50]:
        assert line in page_text


def test_metadata_that_is_empty_or_absent(server):
    empty = [a["_id"] for a in server.assets() if a["user_metadata"] == {}]
    assert empty
    server.quirk(empty_metadata="absent")
    assert all("user_metadata" not in json.loads(server.raw(i)) for i in empty)
    server.clear_quirks()
    assert json.loads(server.raw(empty[0]))["user_metadata"] == {}


# Limits


def test_the_list_is_gone_in_the_middle_of_a_walk(server):
    for status in (404, 410):
        server.fault("status", status=status, match={"kind": "list", "nth": 3})
        assert [ask(server, f"?page={n}").status for n in (1, 2, 3, 4)] == \
            [200, 200, status, 200]
        server.clear_faults()


def test_one_refusal_for_a_day(server):
    server.refuse(kind="list")
    answer = ask(server)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "86400")
    assert answer.json["code"] == "too_many_requests"
    assert ask(server).status == 200
    server.refuse(body="", retry_after=None)
    answer = ask(server)
    assert (answer.status, answer.body) == (429, b"")
    assert "Retry-After" not in answer.headers


def test_a_limit_with_an_empty_body_and_a_day_to_wait(server):
    server.ratelimit(0, empty_body=True, retry_after_s=86400)
    answer = ask(server)
    assert (answer.status, answer.body) == (429, b"")
    assert answer.headers["Retry-After"] == "86400"
    server.ratelimit(0, retry_after="none")
    assert "Retry-After" not in ask(server).headers
    with pytest.raises(ControlError):
        server.ratelimit(0, retry_after="never")


def test_categories_have_limits_of_their_own(server):
    server.ratelimit(0, category="create")
    assert ask(server).status == 200
    assert ask(server, method="POST").status == 429
    server.ratelimit(0, category="read")
    server.ratelimit(category="create")
    assert ask(server).status == 429
    assert ask(server, method="POST").status == 400
    with pytest.raises(ControlError):
        server.ratelimit(0, category="everything")


def test_nothing_remains(server):
    server.nothing_remains()
    answer = ask(server)
    assert answer.status == 200 and len(answer.json["data"]) == 10
    assert answer.headers.get_all("X-Ratelimit-Remaining") == ["0"]
    assert int(answer.headers["X-Ratelimit-Reset"]) > 1_800_000_000 - 10**9
    assert int(ask(server).headers["X-Ratelimit-Remaining"]) > 1000


def test_rules_name_methods(server):
    server.fault("status", status=503, match={"method": "HEAD"})
    url = next(iter(picture_urls(server).values()))
    assert fetch(url, method="HEAD").status == 503
    assert fetch(url).status == 200


# The other host


@pytest.mark.parametrize("status", [429, 503])
def test_the_other_host_refuses(server, status):
    url = next(iter(picture_urls(server).values()))
    server.refuse(status, 3600, origin="media")
    answer = fetch(url)
    assert (answer.status, answer.headers["Retry-After"]) == (status, "3600")
    assert fetch(url).status == ask(server).status == 200


def test_pictures_that_are_none(server):
    url = next(iter(picture_urls(server).values()))
    server.fault("playlist", match={"count": 1})
    answer = fetch(url)
    assert answer.body.startswith(b"#EXTM3U")
    assert answer.headers["Content-Type"] == "application/vnd.apple.mpegurl"
    server.fault("playlist", body="#EXTM3U\nmine\n", match={"count": 1},
                 headers={"Content-Type": "image/jpeg"})
    answer = fetch(url)
    assert answer.body == b"#EXTM3U\nmine\n"
    assert answer.headers.get_all("Content-Type") == ["image/jpeg"]
    server.fault("redirect", location="$CLOSED/x", match={"count": 1})
    assert fetch(url).headers["Location"] == "http://127.0.0.1:1/x"


def test_a_picture_whose_length_changes(server):
    url = next(iter(picture_urls(server).values()))
    whole = fetch(url).body
    server.fault("changing_length", match={"kind": "picture"})
    bodies = [fetch(url).body for _ in range(5)]
    assert len({len(b) for b in bodies}) > 3
    assert all(b.startswith(whole) and len(b) > len(whole) for b in bodies)


# Answers that are lost or late


def test_an_answer_is_lost_or_late(server):
    server.fault("lost_answer", match={"count": 1})
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(server)
    server.fault("late_answer", ms=60, match={"count": 1})
    assert ask(server).status == 200
    assert server.log()[1]["ms"] >= 60
