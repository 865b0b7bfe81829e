"""Selects the values of a broker's document that make up an annotation.

A place is written as a text: `candidate.ra` is a member of a member, `models.0` an item of a list, `a|b` the first of
two that is present, `@topic` the Kafka topic, `=text` a constant with members in braces (`=https://a.org/{id}`), which
may be the last alternative, and `max:scores` the name of the largest member of a mapping to numbers, without the `P(…)`
that AMPEL puts around it.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from broker_assets.annotations.content import BadAnnotation

NAMES: Final = ("object", "classification", "version", "explanation", "url", "classdict")
"""Parts of an annotation."""
_MEMBER: Final = re.compile(r"\{([^{}]+)\}")
_PROBABILITY: Final = re.compile(r"P\((.*)\)")

Place = str | Mapping[str, str]


class FieldError(ValueError):
    """A place cannot be read."""


@dataclass(frozen=True)
class Fields:
    """Places of the values of an annotation."""

    places: Mapping[str, Place]
    """Places by name; empty if documents already are annotations."""

    @property
    def paths(self) -> frozenset[str]:
        """Paths of all members that are needed; empty if documents already are annotations."""
        return frozenset(
            path
            for place in self.places.values()
            for text in ((place,) if isinstance(place, str) else place.values())
            for path in _paths(text)
        )

    @property
    def first_members(self) -> frozenset[str] | None:
        """Names of the members of a document that are needed; None if any may be needed."""
        if not self.places:
            return None
        return frozenset(path.split(".")[0] for path in self.paths)

    def annotation(self, document: Mapping[str, Any], topic: str) -> Mapping[str, Any]:
        """A document as an annotation (see `content.annotation`).

        Parameters
        ----------
        document : mapping
            Decoded document from the broker.
        topic : str
            Kafka topic.

        Raises
        ------
        BadAnnotation
            If it has no object.
        """
        if not self.places:
            return document
        found = {name: value_at(document, place, topic) for name, place in self.places.items()}
        identifier = found.pop("object", None)
        if identifier is None:
            raise BadAnnotation(f"the document has no object: nothing is at {self.places.get('object')}")
        # Some brokers number versions and classes; these are texts here.
        texts = {
            name: str(value)
            for name, value in found.items()
            if name != "classdict" and value is not None and not isinstance(value, Mapping | list)
        }
        classdict = found.get("classdict")
        if classdict is not None and not isinstance(classdict, Mapping):
            classdict = {"value": classdict}
        return {"diaObjectId": identifier, **texts, "classdict": classdict}


def checked_fields(places: Mapping[str, Any]) -> Fields:
    """Check places, and return their fields.

    Raises
    ------
    FieldError
        If a name or a place is not valid.

    Examples
    --------
    >>> fields = checked_fields({"object": "oid", "classification": "max:probabilities", "classdict": "probabilities"})
    >>> fields.annotation({"oid": "313853499513569305", "probabilities": {"SNIa": 0.7, "AGN": 0.3}}, "lc")
    {'diaObjectId': '313853499513569305', 'classification': 'SNIa', 'classdict': {'SNIa': 0.7, 'AGN': 0.3}}
    """
    for name, place in places.items():
        if name not in NAMES:
            raise FieldError(f"an annotation has no {name}; it has {', '.join(NAMES)}")
        texts = [place] if isinstance(place, str) else list(place.values()) if isinstance(place, Mapping) else [None]
        if isinstance(place, Mapping) and name != "classdict":
            raise FieldError(f"{name} is one place, not several")
        if not all(isinstance(text, str) and text for text in texts):
            raise FieldError(f"{name}: a place is a text, such as diaObject.diaObjectId")
    if places and ("object" not in places or "classification" not in places):
        raise FieldError("fields need object and classification")
    return Fields(dict(places))


def plain(value: Any) -> Any:
    """A value of Avro or BSON as a value of JSON: without NaN and bytes, and with times as texts.

    Examples
    --------
    >>> plain({"p": float("nan"), "stamp": b"FITS", "n": [1, 2]})
    {'p': None, 'n': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if not isinstance(item, bytes | memoryview)}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value if not isinstance(item, bytes | memoryview)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | type(None)) else str(value)


def value_at(document: Mapping[str, Any], place: Place, topic: str) -> Any:
    """The value at a place of a document, as a value of JSON, or None; see the docstring of the module.

    Examples
    --------
    >>> value_at({"a": {"b": [1, 2]}}, "c|a.b.1", "topic")
    2
    """
    if not isinstance(place, str):
        found = {name: value_at(document, text, topic) for name, text in place.items()}
        return {name: value for name, value in found.items() if value is not None}
    if place.startswith("="):
        return _MEMBER.sub(lambda match: _text(_at(document, match[1])), place[1:])
    for text in place.split("|"):
        if text == "@topic":
            return topic
        if text.startswith("="):
            return value_at(document, text, topic)
        value = _largest(_at(document, text[4:])) if text.startswith("max:") else _at(document, text)
        if value is not None and value != "":
            return plain(value)
    return None


def _at(document: Any, path: str) -> Any:
    value = document
    for name in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list | tuple) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _largest(scores: Any) -> str | None:
    if not isinstance(scores, Mapping):
        return None
    numbers = {
        str(name): float(value)
        for name, value in scores.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if not numbers:
        return None
    name = max(sorted(numbers), key=lambda key: numbers[key])
    wrapped = _PROBABILITY.fullmatch(name)
    return wrapped[1] if wrapped else name


def _paths(text: str) -> list[str]:
    if text.startswith("="):
        return _MEMBER.findall(text)
    return [
        path
        for part in text.split("|")
        if part != "@topic"
        for path in (_MEMBER.findall(part) if part.startswith("=") else [part.removeprefix("max:")])
    ]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
