"""What an annotation must have and may be at most."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.annotations.content import LARGEST_ID, AnnotationRefused, BadAnnotation, annotation, object_number

GOOD: dict[str, Any] = {"diaObjectId": 7, "classification": "SN Ia"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"diaObjectId": None}, "diaObjectId is missing"),
        ({"diaObjectId": 3.1e17}, "not an integer"),
        ({"objectId": 8}, "diaObjectId 7 and objectId 8 are different objects"),
        ({"diaObjectId": True}, "not an integer"),
        ({"diaObjectId": "seven"}, "not an integer"),
        ({"diaObjectId": -1}, "outside the range"),
        ({"diaObjectId": 2**63}, "outside the range"),
        ({"classification": "  "}, "missing or blank"),
        ({"classification": None}, "missing or blank"),
        ({"classification": 3}, "classification 3 is not a text"),
        ({"classification": "x" * 81}, "81 characters, more than 80"),
        ({"version": "x" * 81}, "version has 81"),
        ({"explanation": "x" * 1025}, "explanation has 1025"),
        ({"explanation": "a\0b"}, r"U\+0000"),
        ({"explanation": "\ud800"}, "surrogate"),
        ({"url": "javascript:alert(1)"}, "http"),
        ({"url": "http://" + "x" * 1020}, "url has 1027"),
        ({"classdict": "{"}, "classdict is not JSON"),
        ({"classdict": "[1]"}, "not a JSON object but an array"),
        ({"classdict": 3}, "not a JSON object but a number"),
        ({"classdict": '{"p": NaN}'}, "NaN"),
        ({"classdict": {"p": float("inf")}}, "cannot be written as JSON"),
        ({"classdict": '{"p": 1e999}'}, "cannot be written as JSON"),
        ({"classdict": '{"p": "\\u0000"}'}, r"U\+0000"),
        ({"classdict": {"p": "\udfff"}}, "surrogate"),
        ({"classdict": "[" * 4000}, "JSON"),
        ({"classdict": {"p": "x" * 5000}}, "more than 4096"),
        ({"classdict": " " * 5000}, "more than 4096"),
    ],
)
def test_what_cannot_be_is_refused_and_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadAnnotation, match=message):
        annotation("t", GOOD | wrong)


def test_lasair_writes_object_id_and_classdict_as_text() -> None:
    said = annotation("t", {"objectId": "7", "classification": "SN", "classdict": '{"b": 1, "a": 2.5}', "url": ""})
    assert (said.diaobjectid, said.classdict, said.version) == (7, '{"a":2.5,"b":1}', "0.1")
    assert annotation("t", {"objectId": 7, "classification": "SN", "version": 2}).version == "2"
    assert annotation("t", GOOD | {"diaObjectId": None, "objectId": "7"}) == annotation("t", GOOD | {"objectId": 7})


def test_names_of_objects_are_numbers_where_somebody_knows_them() -> None:
    assert object_number("ZTF18abcdefg", lambda name: 42) == 42

    def unknown(name: str) -> int:
        raise ValueError("not a ZTF object name")

    with pytest.raises(BadAnnotation, match="not a ZTF object name"):
        object_number("SN1987A", unknown)


def test_the_same_content_has_the_same_hash_however_it_is_written() -> None:
    one = annotation("t", GOOD | {"classdict": {"a": 1, "b": [1, 2]}})
    other = annotation("u", {"objectId": 8, "classification": "SN Ia", "classdict": '{ "b": [1,2], "a": 1 }'})
    assert one.content == other.content
    assert one.content != annotation("t", GOOD | {"classdict": {"a": 2, "b": [1, 2]}}).content
    assert one.content != annotation("t", GOOD | {"classdict": {"a": 1, "b": [1, 2]}, "explanation": "x"}).content


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["diaObjectId", "objectId", "classification", "version", "explanation", "classdict", "url"])


@given(st.dictionaries(keys, anything | st.integers(0, LARGEST_ID) | st.just("SN")))
def test_any_document_is_an_annotation_or_refused(document: dict[str, Any]) -> None:
    try:
        said = annotation("t", document)
    except AnnotationRefused:
        return
    assert 0 <= said.diaobjectid <= LARGEST_ID
    assert said.classification.strip()
    assert isinstance(json.loads(said.classdict), dict)
