"""Places of values in the documents of brokers."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from broker_assets.annotations.content import BadAnnotation
from broker_assets.annotations.fields import FieldError, checked_fields, plain, value_at

DOCUMENT = {
    "id": 7,
    "object": {"name": "ZTF18abcdefg"},
    "models": [{"scores": {"P(SN Ia)": 0.7, "P(AGN)": 0.3, "note": "no number", "bad": float("nan")}}],
    "version": 3,
    "stamp": b"FITS",
}


def made(**places: Any) -> dict[str, Any]:
    fields = checked_fields({"object": "id", "classification": "=x"} | places)
    return dict(fields.annotation(DOCUMENT, "the-topic"))


def test_places() -> None:
    assert made(object="nothing|object.name")["diaObjectId"] == "ZTF18abcdefg"
    assert made(classification="max:models.0.scores")["classification"] == "SN Ia"
    assert made(classification="max:models.9.scores|@topic")["classification"] == "the-topic"
    assert made(url="=https://example.org/{object.name}/{none}")["url"] == "https://example.org/ZTF18abcdefg/"
    assert made(version="version")["version"] == "3"
    assert made(classdict={"all": "models.0.scores", "none": "nothing", "topic": "@topic"})["classdict"] == {
        "all": {"P(SN Ia)": 0.7, "P(AGN)": 0.3, "note": "no number", "bad": None},
        "topic": "the-topic",
    }
    assert made(classdict="version")["classdict"] == {"value": 3}
    assert "explanation" not in made(explanation="nothing")
    with pytest.raises(BadAnnotation, match="nothing is at object"):
        made(object="object.none")


def test_members_that_are_needed() -> None:
    fields = checked_fields(
        {"object": "a.b|c", "classification": "max:d.0|@topic", "url": "=x/{e.f}", "classdict": {"k": "g.h"}}
    )
    assert fields.first_members == frozenset("acdeg")
    assert checked_fields({}).first_members is None


@pytest.mark.parametrize(
    "places",
    [
        {"object": "id"},
        {"classification": "=x"},
        {"object": "id", "classification": "=x", "colour": "red"},
        {"object": "id", "classification": {"a": "b"}},
        {"object": 3, "classification": "=x"},
        {"object": "id", "classification": "=x", "classdict": {"a": 3}},
        {"object": "", "classification": "=x"},
    ],
)
def test_places_that_cannot_be_read_are_refused(places: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        checked_fields(places)


def test_values_are_plain() -> None:
    moment = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    assert plain({"t": moment, "n": (1, b"x", 2.5), 3: object}) == {
        "t": "2026-01-02T00:00:00+00:00", "n": [1, 2.5], "3": "<class 'object'>",
    }  # fmt: skip


def test_a_constant_may_be_the_last_of_several_places():
    assert value_at({"name": "b"}, "name|=AMPEL", "topic") == "b"
    assert value_at({"id": 5}, "name|=A{id}", "topic") == "A5"
    fields = checked_fields({"object": "oid|=A{id}", "classification": "c"})
    assert fields.paths == {"oid", "id", "c"}
