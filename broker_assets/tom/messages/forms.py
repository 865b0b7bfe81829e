"""Uploaded messages: checks JSON documents and turns them into a table of messages."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from broker_assets.tom.messages.storing import MESSAGES, UPLOADED, UPLOADS

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_LARGEST: Final = 2**63
_TEXTS: Final = {"brokerName": 100, "classifierName": 200}
"""Names that a message must have, and their maximum lengths."""
_VERSIONS: Final = ("brokerVersion", "classifierParams")
"""Texts that a message must have, which may be null."""
_LAST_YEAR_MS: Final = 253_402_300_800_000
"""Beginning of the year 10000, milliseconds since 1970."""


class BadMessage(ValueError):
    """A message is not valid; the text says which one, and why."""


def uploaded(documents: Any) -> pa.Table:
    """Read messages in the form that AMPEL uploads.

    Parameters
    ----------
    documents : mapping or sequence of mapping
        One message, or several.

    Returns
    -------
    pyarrow.Table
        Columns `storing.MESSAGES`.

    Raises
    ------
    BadMessage
        If one of them is wrong; none is accepted then.

    Examples
    --------
    >>> table = uploaded({
    ...     "alertId": 7, "diaSourceId": 7, "elasticcPublishTimestamp": 1.7e12, "brokerIngestTimestamp": 1.7e12,
    ...     "brokerName": "AMPEL", "brokerVersion": None, "classifierName": "snn", "classifierParams": "1",
    ...     "classifications": [{"classId": 2222, "probability": 0.75}, {"classId": 200, "probability": 0.25}]})
    >>> table["classid"].to_pylist(), table["probability"].to_pylist()
    ([[2222, 200]], [[0.75, 0.25]])
    """
    several = [documents] if isinstance(documents, Mapping) else documents
    if not isinstance(several, Sequence) or isinstance(several, str | bytes):
        raise BadMessage("the body must be a message, a JSON object, or a list of messages")
    if not several:
        raise BadMessage("the list has no message")
    rows = [_row(document, place) for place, document in enumerate(several)]
    return pa.Table.from_pylist(rows, MESSAGES)


def _row(document: Any, place: int) -> dict[str, Any]:
    where = f"message {place}"
    if not isinstance(document, Mapping):
        raise BadMessage(f"{where} is not a JSON object")
    required = ("alertId", "diaSourceId", "elasticcPublishTimestamp", "brokerIngestTimestamp", *_TEXTS, *_VERSIONS)
    missing = [name for name in (*required, "classifications") if name not in document]
    if missing:
        raise BadMessage(f"{where} has no {missing[0]}")
    texts = {name: document[name] for name in (*_TEXTS, *_VERSIONS)}
    for name, text in texts.items():
        if not isinstance(text, str) and not (text is None and name in _VERSIONS):
            raise BadMessage(f"{where}: {name} must be a text")
        if text is not None and len(text) > _TEXTS.get(name, len(text)):
            raise BadMessage(f"{where}: {name} is longer than {_TEXTS[name]} characters")
        if text is not None and "\x00" in text:
            raise BadMessage(f"{where}: {name} has a character that cannot be stored")
    classes, probabilities = _classes(document["classifications"], where)
    return {
        "streammessage_id": UPLOADED,
        "topicname": UPLOADS,
        "kafka_partition": None,
        "alert_id": _integer(document["alertId"], where, "alertId", _LARGEST),
        "diasource_id": _integer(document["diaSourceId"], where, "diaSourceId", _LARGEST),
        "msghdrtimestamp": _time(document.get("brokerPublishTimestamp"), where, "brokerPublishTimestamp"),
        "elasticcpublishtimestamp": _time(
            document["elasticcPublishTimestamp"], where, "elasticcPublishTimestamp", required=True
        ),
        "brokeringesttimestamp": _time(document["brokerIngestTimestamp"], where, "brokerIngestTimestamp"),
        "brokername": texts["brokerName"],
        "brokerversion": texts["brokerVersion"],
        "classifiername": texts["classifierName"],
        "classifierparams": texts["classifierParams"],
        "classid": classes,
        "probability": probabilities,
        "document": None,
    }


def _classes(given: Any, where: str) -> tuple[list[int], list[float]]:
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise BadMessage(f"{where}: classifications must be a list")
    classes, probabilities = [], []
    for item in given:
        if not isinstance(item, Mapping) or "classId" not in item or "probability" not in item:
            raise BadMessage(f"{where}: each classification must have classId and probability")
        classes.append(_integer(item["classId"], where, "classId", 2**15))
        probability = item["probability"]
        if isinstance(probability, bool) or not isinstance(probability, int | float):
            raise BadMessage(f"{where}: a probability is not a number")
        if not math.isfinite(probability) or abs(probability) > 3.4e38:
            raise BadMessage(f"{where}: a probability is not finite")
        probabilities.append(float(probability))
    return classes, probabilities


def _integer(value: Any, where: str, name: str, limit: int) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadMessage(f"{where}: {name} must be an integer")
    if not -limit <= value < limit:
        raise BadMessage(f"{where}: {name} {value} does not fit {16 if limit == 2**15 else 64} bits")
    return value


def _time(value: Any, where: str, name: str, *, required: bool = False) -> datetime.datetime | None:
    """A time, UTC, from milliseconds since 1970."""
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadMessage(f"{where}: {name} must be a number, milliseconds since 1970")
    if not 0 <= value < _LAST_YEAR_MS:
        raise BadMessage(f"{where}: {name} {value} is not a time in milliseconds since 1970")
    return _EPOCH + datetime.timedelta(microseconds=round(value * 1000))
