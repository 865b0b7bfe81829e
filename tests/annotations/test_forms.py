"""Messages of other brokers, as their own libraries write them, become documents; hostile ones are refused."""

from __future__ import annotations

import contextlib
import io
import json
import zlib

import bson
import fastavro
import pytest
from broker_messages import alerce, ampel_report, antares, babamul, fink, hopskotch
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.annotations.forms import FORMS, UnreadableMessage, documents

NEEDED = frozenset({"diaObject", "clf"})


def test_fink_has_the_schema_in_the_key() -> None:
    sent = fink(313853499513569305)
    [whole] = documents("keyed-avro", sent.key, sent.value)
    assert whole["diaObject"]["diaObjectId"] == 313853499513569305
    assert len(whole["prvDiaSources"]) == 2
    [part] = documents("keyed-avro", sent.key, sent.value, NEEDED)
    assert part == {"diaObject": whole["diaObject"], "clf": whole["clf"]}
    # A type that is defined in what is left out: everything is read.
    [all_of_it] = documents("keyed-avro", sent.key, sent.value, frozenset({"prvDiaSources"}))
    assert all_of_it == whole


def test_hopskotch_is_json_or_avro_and_once_was_an_envelope() -> None:
    report = ampel_report(7, SNIa=0.8)
    for kind in ("json", "avro"):
        sent = hopskotch(report, kind)
        assert ("_format", kind.encode()) in sent.headers
        assert documents("hopskotch", sent.key, sent.value) == [report]
    envelope = json.dumps({"format": "json", "content": report}).encode()
    assert documents("hopskotch", None, envelope) == [report]
    several = hopskotch([report, ampel_report(8, AGN=0.6)])
    assert [one["object"]["id"] for one in documents("hopskotch", None, several.value)] == [7, 8]


def test_babamul_alerce_and_antares() -> None:
    assert documents("avro", None, babamul(7).value)[0]["objectId"] == "7"
    assert documents("avro", None, alerce(7, SN=0.9).value)[0]["probabilities"] == {"SN": 0.9}
    [locus] = documents("zlib-bson", None, antares({"ztf_object_id": "ZTF18abcdefg"}, ["sn"]).value)
    assert (locus["id"], locus["tags"]) == ("ANT2026abc", ["sn"])
    nested = {"data": {"id": "ANT1", "attributes": {"tags": [], "properties": {}}}}
    assert documents("zlib-bson", None, zlib.compress(bson.encode(nested))) == [
        {"id": "ANT1", "tags": [], "properties": {}}
    ]


@pytest.mark.parametrize(
    ("form", "key", "value", "message"),
    [
        ("json", None, b"", "empty"),
        ("json", None, b"{", "cannot be read as json"),
        ("json", None, b'{"p": NaN}', "NaN is not a JSON value"),
        ("json", None, b"[1]", "not an object, but int"),
        ("json", None, b"[" * 100_000, "nested too deeply|cannot be read"),
        ("json", None, json.dumps([{}] * 10_001).encode(), "10001 documents"),
        ("keyed-avro", None, b"x", "no key"),
        ("keyed-avro", b"{", b"x", "cannot be read"),
        ("keyed-avro", fink(7).key, fink(7).value[:40], "cannot be read"),
        ("keyed-avro", fink(7).key, fink(7).value + b"x", "1 bytes follow"),
        ("keyed-avro", b" " * (5 * 1024**2), b"x", "more than"),
        ("avro", None, b"Obj\x01", "cannot be read as avro"),
        ("hopskotch", None, b"Obj\x01", "cannot be read as hopskotch"),
        ("zlib-bson", None, b"xyz", "cannot be read as zlib-bson"),
        ("zlib-bson", None, antares({}, []).value[:-6], "truncated"),
        ("zlib-bson", None, zlib.compress(bytes(65 * 1024**2)), "once unpacked"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(form: str, key: bytes | None, value: bytes, message: str) -> None:
    with pytest.raises(UnreadableMessage, match=message):
        documents(form, key, value)


def test_a_container_without_documents_or_with_too_many_is_refused() -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": []})
    for number, message in ((0, "no document"), (10_001, "more than 10000")):
        out = io.BytesIO()
        fastavro.writer(out, schema, [{}] * number)
        with pytest.raises(UnreadableMessage, match=message):
            documents("avro", None, out.getvalue())


@given(st.sampled_from(sorted(FORMS)), st.none() | st.binary(max_size=40), st.binary(max_size=80))
def test_no_bytes_raise_anything_else(form: str, key: bytes | None, value: bytes) -> None:
    with contextlib.suppress(UnreadableMessage):
        assert all(isinstance(one, dict) for one in documents(form, key, value))
