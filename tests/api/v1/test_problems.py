"""Every error has one shape and says what to do; what we did not foresee says nothing of its inside."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.api.v1.problems import KINDS, PREFIX, Problem, translated
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.filters.query import FilterError, check
from broker_assets.sky.lists import UnknownList


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UnknownList("there is no list"), "not-found"),
        (NotTheOwner("it is not yours"), "not-allowed"),
        (NameTaken("there is one"), "conflict"),
        (DatabaseUnavailableError("db.example"), "unavailable"),
        (psycopg.DataError(), "bad-parameter"),
        (KeyError("secret"), "internal-error"),
        (ValueError("secret"), "internal-error"),
        (Problem("gone", "it is gone"), "gone"),
    ],
)
def test_errors_of_the_domain(error: Exception, kind: str) -> None:
    found = translated(error)
    assert found.kind == kind
    assert "secret" not in found.detail
    assert "db.example" not in found.detail


def test_a_wrong_filter_says_where() -> None:
    with pytest.raises(FilterError) as wrong:
        check("SELECT diaObjectID2 FROM objects")
    found = translated(wrong.value)
    assert found.errors[0]["line"] == 1
    assert found.errors[0]["column"] > 1


def test_titles_and_advice_are_sentences_of_a_kind() -> None:
    assert all(status >= 400 and title and advice for status, title, advice in KINDS.values())


@pytest.mark.database
@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("DELETE", "/cone", 405, "method-not-allowed"),
        ("GET", "/cone", 422, "bad-parameter"),
        ("POST", "/lightcurves", 422, "bad-parameter"),
    ],
)
def test_the_shape(v1: httpx.Client, method: str, path: str, status: int, kind: str) -> None:
    answer = v1.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content = answer.json()
    assert (content["type"], content["status"]) == (PREFIX + kind, status)
    assert content["instance"] == f"/api/v1{path}"
    assert content["title"]
    assert content["advice"]


@pytest.mark.database
def test_a_token_that_is_not_valid_is_refused(v1: httpx.Client) -> None:
    answer = v1.get("/objects", headers={"Authorization": "Token nonsense"})
    assert (answer.status_code, answer.json()["type"]) == (401, PREFIX + "not-authenticated")
