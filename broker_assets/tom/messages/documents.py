"""Turns a broker's document about an alert, once its parts have been found, into rows of messages.

Documents of all schema versions are accepted: probabilities may be a list with classes by number or name, or a mapping
from names; in the form of the first campaign each names its classifier. The whole document is stored.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from broker_assets.instants import instant, with_zone
from broker_assets.tom.messages.forms import BadMessage
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_PROBABILITY: Final = re.compile(r"P\((.*)\)")


@lru_cache(maxsize=1)
def taxonomy_names() -> Mapping[str, int]:
    """Classes of the taxonomy by description, in lower case."""
    taxonomy = read_taxonomy("elasticc2")
    return {
        text.lower(): int(number) for number, text in zip(taxonomy.classid, taxonomy.description, strict=True)
    }  # fmt: skip


def message_rows(said: Mapping[str, Any], classes: Mapping[str, int], document: str | None) -> list[dict[str, Any]]:
    """The rows of a message, one for each classifier that it names.

    Parameters
    ----------
    said : mapping
        Parts by the names in `settings.surveys.PLACES`; absent ones are None or missing.
    classes : mapping
        Classes by the broker's own names, in addition to those of the taxonomy.
    document : str or None
        The whole message as JSON.

    Raises
    ------
    BadMessage
        If it contains nothing that can be stored.

    Examples
    --------
    >>> rows = message_rows({"alert": 7, "broker": "B", "classifier": "C", "probabilities": {"P(Ia)": 0.75}}, {}, None)
    >>> rows[0]["classid"], rows[0]["probability"]
    ([2222], [0.75])
    """
    alert = _identifier(said.get("alert"), "alert")
    source = alert if said.get("source") is None else _identifier(said["source"], "detection")
    common = {
        "alert_id": alert,
        "diasource_id": source,
        "elasticcpublishtimestamp": _time(said.get("published")),
        "brokeringesttimestamp": _time(said.get("ingested")),
        "brokername": _text(said.get("broker"), "broker"),
        "brokerversion": _optional(said.get("version")),
        "document": document,
    }
    made: dict[tuple[str, str | None], tuple[list[int], list[float]]] = {}
    for item in _items(said):
        name = _text(item.get("classifierName", said.get("classifier")), "classifier")
        params = _optional(item.get("classifierParams", said.get("params")))
        numbers, probabilities = made.setdefault((name, params), ([], []))
        numbers.append(_class(item, classes))
        probabilities.append(_probability(item.get("probability")))
    if not made:
        made[_text(said.get("classifier"), "classifier"), _optional(said.get("params"))] = ([], [])
    return [
        common | {"classifiername": name, "classifierparams": params, "classid": numbers, "probability": probabilities}
        for (name, params), (numbers, probabilities) in made.items()
    ]


def _items(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in ("classifications", "probabilities"):
        given = said.get(name)
        if given is None:
            continue
        if isinstance(given, Mapping):
            return [{"className": key, "probability": value} for key, value in given.items()]
        if isinstance(given, list) and all(isinstance(item, Mapping) for item in given):
            return given
        raise BadMessage(f"{name} is neither a table of names nor a list of classes with probabilities")
    raise BadMessage("the message has no classifications")


def _class(item: Mapping[str, Any], classes: Mapping[str, int]) -> int:
    given = item.get("classId", item.get("classid", item.get("className", item.get("class"))))
    if isinstance(given, str):
        wrapped = _PROBABILITY.fullmatch(given)
        name = wrapped[1] if wrapped else given
        if name in classes:
            given = classes[name]
        elif name.lstrip("-").isdigit():
            given = int(name)
        else:
            given = taxonomy_names().get(name.lower())
            if given is None:
                raise BadMessage(f"the class {name[:80]!r} is neither of the taxonomy nor of the broker's classes")
    if isinstance(given, bool) or not isinstance(given, int) or not -(2**15) <= given < 2**15:
        raise BadMessage(f"{given!r} is not the number of a class")
    return given


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 3.4e38:
        raise BadMessage(f"{value!r} is not a probability")
    return float(value)


def _identifier(value: Any, what: str) -> int:
    if isinstance(value, str) and value.lstrip("-").isdigit() and len(value) < 20:
        value = int(value)
    if value is None:
        raise BadMessage(f"the message names no {what}")
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise BadMessage(f"{str(value)[:80]!r} is not the number of the {what}")
    return value


def _text(value: Any, what: str) -> str:
    if value is None or value == "":
        raise BadMessage(f"the message names no {what}")
    return str(value)


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)


def _time(value: Any) -> datetime.datetime | None:
    """A time, UTC, from milliseconds since 1970, a text in ISO 8601, or a datetime."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return instant(value)
        except ValueError:
            raise BadMessage(f"{value[:80]!r} is not a time") from None
    try:
        if isinstance(value, datetime.datetime):
            return with_zone(value)
        return _EPOCH + datetime.timedelta(microseconds=round(value * 1000))
    except (TypeError, ValueError, OverflowError):
        raise BadMessage(f"{value!r} is not a time in milliseconds since 1970") from None
