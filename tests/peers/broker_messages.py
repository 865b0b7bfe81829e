"""Messages as other brokers send them to Kafka, made with the libraries of their clients."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any, NamedTuple

import bson
import fastavro


class Sent(NamedTuple):
    """A message as a producer gives it to Kafka."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


def fink_schema() -> dict[str, Any]:
    """The Avro schema of an alert of Fink for LSST, the part that matters here, with history and cutouts."""
    source = {
        "type": "record",
        "name": "DiaSource",
        "fields": [
            {"name": "diaSourceId", "type": "long"},
            {"name": "diaObjectId", "type": ["null", "long"], "default": None},
            {"name": "psfFlux", "type": ["null", "float"], "default": None},
        ],
    }
    return {
        "type": "record",
        "name": "alert",
        "namespace": "fink.lsst",
        "fields": [
            {"name": "diaSourceId", "type": "long"},
            {"name": "diaSource", "type": source},
            {"name": "prvDiaSources", "type": {"type": "array", "items": "DiaSource"}},
            {
                "name": "diaObject",
                "type": [
                    "null",
                    {"type": "record", "name": "DiaObject", "fields": [{"name": "diaObjectId", "type": "long"}]},
                ],
            },
            {"name": "cutoutScience", "type": ["null", "bytes"]},
            {
                "name": "clf",
                "type": {
                    "type": "record",
                    "name": "clf_record",
                    "fields": [
                        {"name": "snnSnVsOthers_score", "type": "float"},
                        {"name": "cats_class", "type": "int"},
                    ],
                },
            },
            {"name": "fink_broker_version", "type": "string"},
            {"name": "fink_science_version", "type": "string"},
        ],
    }


def fink(identifier: int, *, score: float = 0.75, history: int = 2) -> Sent:
    """Fink: the key is the whole schema as JSON, the value a datum without header."""
    point = {"diaSourceId": 5, "diaObjectId": identifier, "psfFlux": 100.0}
    alert = {
        "diaSourceId": 5,
        "diaSource": point,
        "prvDiaSources": [point] * history,
        "diaObject": {"diaObjectId": identifier},
        "cutoutScience": bytes(1000),
        "clf": {"snnSnVsOthers_score": score, "cats_class": 11},
        "fink_broker_version": "4.0",
        "fink_science_version": "8.2",
    }
    schema = fink_schema()
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), alert)
    return Sent(json.dumps(schema).encode(), out.getvalue(), [])


def ampel_report(identifier: int, **probabilities: float) -> dict[str, Any]:
    """A report of AMPEL on one of its LSST topics."""
    named = {f"P({name})": value for name, value in probabilities.items()}
    return {
        "object": {"id": identifier, "external_id": str(identifier)},
        "classification": [{"name": "parsnip", "version": 0.3, "models": [{"probabilities": named}]}],
        "photometry": [{"time": 2461000.5, "flux": 120.0, "fluxerr": 3.0, "band": "lssti"}],
    }  # fmt: skip


def hopskotch(content: Any, kind: str = "json") -> Sent:
    """Hopskotch: bytes and headers as `hop-client` makes them."""
    from hop import io as hop_io
    from hop.models import AvroBlob, JSONBlob

    blob = JSONBlob(content) if kind == "json" else AvroBlob(content)
    value, headers = hop_io.Producer.pack(blob)
    return Sent(None, value, list(headers))


def babamul(identifier: int) -> Sent:
    """Babamul: an Avro object container with one alert."""
    position = {"type": "record", "name": "c", "fields": [{"name": "ra", "type": "double"}]}
    schema = {
        "type": "record",
        "name": "EnrichedLsstAlert",
        "fields": [
            {"name": "_id", "type": "long"},
            {"name": "objectId", "type": "string"},
            {"name": "candidate", "type": position},
            {
                "name": "properties",
                "type": {
                    "type": "record",
                    "name": "p",
                    "fields": [{"name": "rock", "type": "boolean"}, {"name": "rate", "type": ["null", "double"]}],
                },
            },
            {"name": "cutoutScience", "type": ["null", "bytes"]},
        ],
    }  # fmt: skip
    alert = {
        "_id": 3,
        "objectId": str(identifier),
        "candidate": {"ra": 10.0},
        "properties": {"rock": False, "rate": float("nan")},
        "cutoutScience": bytes(100),
    }
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), [alert], codec="deflate")
    return Sent(None, out.getvalue(), [])


def antares(properties: dict[str, Any], tags: list[str]) -> Sent:
    """ANTARES: a locus as compressed BSON."""
    locus = {
        "id": "ANT2026abc",
        "ra": 10.0,
        "dec": -30.0,
        "properties": properties,
        "tags": tags,
        "catalogs": ["gaia_dr3_gaia_source"],
    }
    return Sent(None, zlib.compress(bson.encode(locus)), [])


def alerce(identifier: int, **probabilities: float) -> Sent:
    """ALeRCE: an Avro object container of a light-curve classifier."""
    schema = {
        "type": "record",
        "name": "probs",
        "fields": [
            {"name": "oid", "type": "string"},
            {"name": "classifier_version", "type": "string"},
            {"name": "probabilities", "type": {"type": "map", "values": "double"}},
        ],
    }
    out = io.BytesIO()
    record = {"oid": str(identifier), "classifier_version": "lc_2", "probabilities": probabilities}
    fastavro.writer(out, fastavro.parse_schema(schema), [record])
    return Sent(None, out.getvalue(), [])
