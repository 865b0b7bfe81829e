"""A single annotation: its fields, their limits, and the equality of two annotations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

LARGEST_ID: Final = 2**63 - 1
_NUMERAL: Final = re.compile(r"[+.−-]?\d")
"""Beginning of a number, which no name has."""


class AnnotationRefused(ValueError):
    """An annotation cannot be accepted; the message says why.

    `reason` is one word for programs: each class has its own.
    """

    reason = "refused"


class UnknownAnnotator(AnnotationRefused):
    """There is no annotator with this topic."""

    reason = "unknown annotator"


class NotTheOwner(AnnotationRefused):
    """The annotator belongs to somebody else."""

    reason = "not the owner"


class InactiveAnnotator(AnnotationRefused):
    """The annotator is not active."""

    reason = "inactive annotator"


class UnknownObject(AnnotationRefused):
    """No alert has contained this object."""

    reason = "unknown object"


class BadAnnotation(AnnotationRefused):
    """A value is missing, too long, or not valid."""

    reason = "bad annotation"


@dataclass(frozen=True)
class Limits:
    """Largest values; those of Lasair's API."""

    classification: int = 80
    """Characters."""
    version: int = 80
    """Characters."""
    explanation: int = 1024
    """Characters."""
    classdict: int = 4096
    """Characters of the JSON text."""
    url: int = 1024
    """Characters."""


LIMITS: Final = Limits()


@dataclass(frozen=True)
class Annotation:
    """What an annotator says about an object."""

    topic: str
    """The annotator."""
    diaobjectid: int
    """The object."""
    classification: str
    """Class, or a short text."""
    version: str
    """Version of the annotator."""
    explanation: str = ""
    classdict: str = "{}"
    """A JSON object as text, keys in alphabetical order."""
    url: str = ""
    content: str = ""
    """Hash of everything but object and annotator; 32 hexadecimal digits. Computed unless it is given."""

    def __post_init__(self) -> None:
        if self.content:
            return
        said = json.dumps([self.version, self.classification, self.explanation, self.classdict, self.url])
        object.__setattr__(self, "content", hashlib.sha256(said.encode()).hexdigest()[:32])


def object_number(value: Any, named: Callable[[str], int] | None = None) -> int:
    """Identifier of an object in a document: an integer, its digits, or a name.

    Parameters
    ----------
    value : Any
        Value in a document.
    named : callable, optional
        Returns the identifier of a name that is not a number (`ZTF18abcdefg`); raises ValueError if it cannot.

    Raises
    ------
    BadAnnotation
        If it is none of these. Floating-point numbers are refused: they cannot represent 64 bits.

    Examples
    --------
    >>> object_number("313853499513569305")
    313853499513569305
    """
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) < 20:
            number = int(text)
        elif named is not None and text and _NUMERAL.match(text) is None:
            try:
                number = named(text)
            except ValueError as error:
                raise BadAnnotation(f"diaObjectId {_shown(value)} is not an object: {error}") from None
    if number is None:
        raise BadAnnotation(f"diaObjectId {_shown(value)} is not an integer from 0 to 2^63 - 1")
    if not 0 <= number <= LARGEST_ID:
        raise BadAnnotation(f"diaObjectId {number} is outside the range of identifiers, 0 to 2^63 - 1")
    return number


def annotation(
    topic: str,
    document: Mapping[str, Any],
    *,
    version: str = "0.1",
    named: Callable[[str], int] | None = None,
    limits: Limits = LIMITS,
) -> Annotation:
    """Read an annotation from a document.

    Parameters
    ----------
    topic : str
        The annotator.
    document : mapping
        `diaObjectId` (or `objectId`) and `classification`; optional `version`, `explanation`, `classdict` (an object,
        or its JSON text) and `url`. Other keys are ignored.
    version : str
        Version if the document has none.
    named : callable, optional
        See `object_number`.
    limits : Limits
        Largest values.

    Raises
    ------
    BadAnnotation
        The message names the value and what is wrong with it.

    Examples
    --------
    >>> said = annotation("fastfinder", {"objectId": 7, "classification": "kilonova", "classdict": {"p": 0.9}})
    >>> said.diaobjectid, said.classification, said.version, said.classdict
    (7, 'kilonova', '0.1', '{"p":0.9}')
    """
    identifiers = [one for one in (document.get("diaObjectId"), document.get("objectId")) if one is not None]
    if not identifiers:
        raise BadAnnotation("diaObjectId is missing")
    classification = _text(document, "classification", limits.classification)
    if not classification.strip():
        raise BadAnnotation("classification is missing or blank")
    given = document.get("version")
    if isinstance(given, int | float) and not isinstance(given, bool):
        document = {**document, "version": str(given)}
    url = _text(document, "url", limits.url)
    if url and not url.lower().startswith(("http://", "https://")):
        raise BadAnnotation(f"url {_shown(url)} does not begin with http:// or https://")
    numbers = [object_number(one, named) for one in identifiers]
    if numbers[0] != numbers[-1]:
        raise BadAnnotation(f"diaObjectId {numbers[0]} and objectId {numbers[-1]} are different objects")
    return Annotation(
        topic=topic,
        diaobjectid=numbers[0],
        classification=classification,
        version=_text(document, "version", limits.version) or version,
        explanation=_text(document, "explanation", limits.explanation),
        classdict=_classdict(document.get("classdict"), limits.classdict),
        url=url,
    )


def _text(document: Mapping[str, Any], name: str, longest: int) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadAnnotation(f"{name} {_shown(value)} is not a text")
    if len(value) > longest:
        raise BadAnnotation(f"{name} has {len(value)} characters, more than {longest}")
    _storable(name, value)
    return value


def _classdict(value: Any, longest: int) -> str:
    if value is None or value == "":
        return "{}"
    if isinstance(value, str):
        if len(value) > longest:
            raise BadAnnotation(f"classdict has {len(value)} characters, more than {longest}")
        try:
            value = json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadAnnotation(f"classdict is not JSON: {_short(error)}") from None
    if not isinstance(value, Mapping):
        raise BadAnnotation(f"classdict is not a JSON object but {_kind(value)}")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadAnnotation(f"classdict cannot be written as JSON: {_short(error)}") from None
    if len(text) > longest:
        raise BadAnnotation(f"classdict has {len(text)} characters, more than {longest}")
    if "\\u0000" in text:
        raise BadAnnotation("classdict contains U+0000, which cannot be stored")
    _storable("classdict", text)
    return text


def _storable(name: str, text: str) -> None:
    if "\0" in text:
        raise BadAnnotation(f"{name} contains U+0000, which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadAnnotation(f"{name} contains half of a surrogate pair, which cannot be stored") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "an array", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _short(error: BaseException) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
