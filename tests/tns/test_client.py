"""Requests to TNS, against a server that speaks its protocol."""

from __future__ import annotations

import datetime
import email.utils
import json
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from broker_assets.http import Answer
from broker_assets.tns.bulk import BadBulkFile, parse_bulk_csv, unpack
from broker_assets.tns.client import (
    LONGEST_WAIT,
    TRIES,
    Bot,
    TnsClient,
    TnsNotFoundError,
    TnsRefusedError,
    TnsUnavailableError,
    asked_to_wait,
    bulk_name,
)

NAME = "tns_public_objects.csv.zip"


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def client(peer: Any, tns: ModuleType, waits: list[float]) -> Any:
    bot = Bot(tns.KEY, tns.BOT_ID, tns.BOT_NAME)
    with TnsClient(bot, bulk_url=peer.bulk_url, search_url=peer.search_url, wait=waits.append) as client:
        yield client


def test_a_bulk_file_is_asked_for_as_tns_wants_it(client: TnsClient, peer: Any, tns: ModuleType) -> None:
    peer.put(NAME, [tns.tns_row(1, "2026abc", 10.0, -5.0)])
    assert parse_bulk_csv(unpack(client.bulk_file(NAME))).objects["tns_name"].to_pylist() == ["2026abc"]
    request = peer.requests[0]
    assert (request.agent, request.form) == (tns.MARKER, {"api_key": tns.KEY})
    assert request.path.endswith("/" + NAME)


def test_a_wrong_key_and_a_wrong_marker_are_refused_at_once(peer: Any, tns: ModuleType, waits: list[float]) -> None:
    for bot, status in ((Bot("wrong", tns.BOT_ID, tns.BOT_NAME), 401), (Bot(tns.KEY, 1, tns.BOT_NAME), 403)):
        with (
            TnsClient(bot, bulk_url=peer.bulk_url, wait=waits.append) as client,
            pytest.raises(TnsRefusedError, match=str(status)) as caught,
        ):
            client.bulk_file(NAME)
        assert bot.key not in str(caught.value)
        assert bot.key not in repr(bot)
    assert waits == []
    assert len(peer.requests) == 2


def test_the_time_to_wait_is_respected(client: TnsClient, peer: Any, waits: list[float]) -> None:
    peer.files[NAME] = b"content"
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
    peer.answers = [
        (429, {"Retry-After": "7"}, b""),
        (429, {"Retry-After": email.utils.format_datetime(until, usegmt=True)}, b""),
        (429, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "3"}, b""),
        (503, {}, b""),
    ]
    assert client.bulk_file(NAME) == b"content"
    assert waits[0] == 7.0
    assert 25.0 < waits[1] <= 30.0
    assert waits[2] == 3.0
    assert waits[3] > 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-cone-rate-limit-limit": "10", "x-cone-rate-limit-remaining": "0", "x-cone-rate-limit-reset": "55"}, 55.0),
        ({"X-Cone-Rate-Limit-Remaining": "0", "X-Cone-Rate-Limit-Reset": "55", "x-rate-limit-remaining": "0",
          "x-rate-limit-reset": "3"}, 55.0),
        ({"x-cone-rate-limit-remaining": "4", "x-cone-rate-limit-reset": "55", "x-rate-limit-remaining": "0",
          "x-rate-limit-reset": "3"}, 3.0),
        ({"Retry-After": "9", "x-rate-limit-remaining": "0", "x-rate-limit-reset": "3"}, 9.0),
    ],
)  # fmt: skip
def test_every_limit_of_tns_counts(
    client: TnsClient, peer: Any, waits: list[float], headers: dict[str, str], seconds: float
) -> None:
    peer.files[NAME] = b"content"
    peer.answers = [(429, headers, b"")]
    assert client.bulk_file(NAME) == b"content"
    assert waits == [seconds]


@pytest.mark.parametrize("zone", ["", " -0000", " GMT", " +0100"])
def test_dates_to_wait_for_have_any_zone_or_none(client: TnsClient, peer: Any, waits: list[float], zone: str) -> None:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=50, hours=zone == " +0100")
    peer.files[NAME] = b"content"
    peer.answers = [(429, {"Retry-After": f"{until:%a, %d %b %Y %H:%M:%S}{zone}"}, b"")]
    assert client.bulk_file(NAME) == b"content"
    assert 40.0 < waits[0] <= 50.0


ODD_TIMES = ("0", "nan", "inf", "-5", "1_0", "99999999999", "Mon, 99 Foo 2026 00:00:00 GMT", ",",
             "Mon, 20 Nov 2026 00:00:00 +9999999", "Thu, 31 Dec 9999 23:59:59 -2359")  # fmt: skip
FIELDS = ("retry-after", "x-rate-limit-remaining", "x-rate-limit-reset", "x-cone-rate-limit-reset")


@given(st.dictionaries(st.sampled_from(FIELDS), st.one_of(st.text(max_size=40), st.sampled_from(ODD_TIMES))))
def test_whatever_a_server_asks_for_is_a_time_or_nothing(headers: dict[str, str]) -> None:
    asked = asked_to_wait(Answer("http://example.org/", 429, b"", CaseInsensitiveDict(headers)))
    assert asked is None or asked >= 0.0


def test_too_long_a_wait_ends_the_attempt(client: TnsClient, peer: Any, waits: list[float]) -> None:
    peer.answers = [(429, {"Retry-After": str(LONGEST_WAIT + 1)}, b"")]
    with pytest.raises(TnsUnavailableError, match="asks to wait"):
        client.bulk_file(NAME)
    assert waits == []


def test_a_server_in_trouble_is_asked_some_times_only(client: TnsClient, peer: Any) -> None:
    peer.answers = [(500, {}, b"")] * (TRIES + 1)
    with pytest.raises(TnsUnavailableError, match="HTTP 500"):
        client.bulk_file(NAME)
    assert len(peer.requests) == TRIES


def test_no_server_is_told(tns: ModuleType) -> None:
    with (
        TnsClient(Bot("k", 1, "b"), bulk_url="http://127.0.0.1:1/", wait=lambda _: None) as client,
        pytest.raises(TnsUnavailableError, match=r"ConnectionError.*refused"),
    ):
        client.bulk_file(NAME)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_key_does_not_follow_a_redirect_to_another_host(
    client: TnsClient, peer: Any, tns: ModuleType, waits: list[float], status: int
) -> None:
    with tns.TnsPeer() as other:
        other.put(NAME, [tns.tns_row(1, "2026abc", 10.0, -5.0)])
        peer.answers = [(status, {"Location": other.bulk_url + NAME}, b"")]
        with pytest.raises(TnsUnavailableError, match="redirects to another host") as caught:
            client.bulk_file(NAME)
        assert other.requests == []
    assert tns.KEY not in str(caught.value)
    assert waits == []


def test_a_redirect_of_tns_itself_is_followed(client: TnsClient, peer: Any, tns: ModuleType) -> None:
    peer.put(NAME, [tns.tns_row(1, "2026abc", 10.0, -5.0)])
    peer.answers = [(307, {"Location": f"/elsewhere/{NAME}"}, b"")]
    assert client.bulk_file(NAME) == peer.files[NAME]
    assert [request.form["api_key"] for request in peer.requests] == [tns.KEY] * 2


def test_a_file_that_is_not_there(client: TnsClient) -> None:
    with pytest.raises(TnsNotFoundError, match=NAME):
        client.bulk_file(NAME)


def test_a_page_instead_of_a_zip_is_no_file(client: TnsClient, peer: Any) -> None:
    peer.answers = [(200, {"content-type": "text/html"}, b"<html>Maintenance</html>")]
    with pytest.raises(BadBulkFile, match="Maintenance"):
        parse_bulk_csv(unpack(client.bulk_file(NAME)))


def test_single_objects(client: TnsClient, peer: Any, tns: ModuleType) -> None:
    peer.objects["2026abc"] = tns.tns_row(1, "2026abc", 10.0, -5.0)
    assert client.single_object("2026abc")["objid"] == 1
    assert [found["objname"] for found in client.near(10.0, -5.0, 3.0)] == ["2026abc"]
    with pytest.raises(TnsNotFoundError, match="2026xyz"):
        client.single_object("2026xyz")


def test_something_that_is_not_json(client: TnsClient, peer: Any) -> None:
    peer.answers = [(200, {}, b"<html>")]
    with pytest.raises(TnsUnavailableError, match="not JSON"):
        client.single_object("2026abc")


NO_RESULT = {"110": {"message": "No results found.", "message_id": 110}}
HERE = {"objname": "2026abc", "prefix": None, "redshift": "0.1"}
ODD_ANSWERS: tuple[tuple[Any, Any, Any], ...] = (
    # what TNS answers, the objects at a position (or the error), and the object 2026abc (or the error)
    ({"id_code": 200, "data": {"reply": [HERE]}}, [HERE], HERE),
    ({"id_code": "200", "data": [HERE]}, [HERE], HERE),
    ({"data": [HERE, {"objname": "2026xyz"}]}, [HERE, {"objname": "2026xyz"}], HERE),
    ({"data": [HERE, HERE]}, [HERE, HERE], TnsUnavailableError),
    ({"data": [{**HERE, "z": float("nan")}]}, [{**HERE, "z": None}], {**HERE, "z": None}),
    ({"data": HERE}, TnsUnavailableError, HERE),
    ({"id_code": 200, "data": {"reply": {"name": NO_RESULT, "objid": NO_RESULT}}}, [], TnsNotFoundError),
    ({"id_code": 200, "data": {"name": NO_RESULT}}, [], TnsNotFoundError),
    ({"data": {"reply": None}}, [], TnsNotFoundError),
    ({"data": None}, [], TnsNotFoundError),
    ({"id_code": 404, "id_message": "Not found", "data": {}}, [], TnsNotFoundError),
    ({"id_code": 401, "id_message": "Unauthorized", "data": []}, TnsRefusedError, TnsRefusedError),
    ({"id_code": "403"}, TnsRefusedError, TnsRefusedError),
    ({"id_code": 429, "id_message": "Too many requests", "data": []}, TnsUnavailableError, TnsUnavailableError),
    ({"id_code": 200}, TnsUnavailableError, TnsUnavailableError),
    ({"data": "text"}, TnsUnavailableError, TnsUnavailableError),
    ({"data": 0}, TnsUnavailableError, TnsUnavailableError),
    ({"data": [None, "x"]}, TnsUnavailableError, TnsUnavailableError),
    ({"data": [{"prefix": "AT"}, {"objname": " "}]}, TnsUnavailableError, TnsUnavailableError),
    ([1], TnsUnavailableError, TnsUnavailableError),
)


@pytest.mark.parametrize(("document", "near", "single"), ODD_ANSWERS)
def test_odd_answers(client: TnsClient, peer: Any, document: Any, near: Any, single: Any) -> None:
    """An error that comes with HTTP 200 is not taken for "no object there", nor a message for an object."""
    for ask, expected in (
        (lambda: client.near(10.0, -5.0, 3.0), near),
        (lambda: client.single_object("2026abc"), single),
    ):
        peer.answers = [(200, {"content-type": "application/json"}, json.dumps(document).encode())]
        if isinstance(expected, type):
            with pytest.raises(expected, match=r"2026abc|10\.0 -5\.0"):
                ask()
        else:
            assert ask() == expected


def test_a_search_at_a_wrong_address_is_an_error(client: TnsClient, peer: Any) -> None:
    """Not a position without objects."""
    peer.answers = [(404, {}, b"")]
    with pytest.raises(TnsNotFoundError, match="/search"):
        client.near(10.0, -5.0, 3.0)


def test_a_document_of_any_depth(client: TnsClient, peer: Any) -> None:
    peer.answers = [(200, {}, b"[" * 200_000)]
    with pytest.raises(TnsUnavailableError, match="nested too deeply"):
        client.near(10.0, -5.0, 3.0)


def test_file_names() -> None:
    with pytest.raises(ValueError, match="not both"):
        bulk_name(day=datetime.date(2026, 1, 1), hour=3)
    with pytest.raises(ValueError, match="hour 24"):
        bulk_name(hour=24)
