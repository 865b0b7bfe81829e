"""Stored messages of brokers as documents, by number, alert, detection or object, in pages.

The documents have the form of the first campaign; the original never ported it to the second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

PAGE: Final = 100
"""Default number of messages in an answer."""
MOST: Final = 1000
"""Most messages in an answer."""

_COLUMNS: Final = {
    "alertid": "message.alert_id",
    "sourceid": "message.diasource_id",
    "diasourceid": "message.diasource_id",
    "objectid": "source.diaobject_id",
    "diaobjectid": "source.diaobject_id",
}
_NAMES: Final = {*_COLUMNS, "offset", "num"}
_FROM: Final = (
    " FROM elasticc2_brokermessage AS message"
    " JOIN elasticc2_brokerclassifier AS classifier ON classifier.classifier_id = message.classifier_id"
)
_OF_OBJECTS: Final = " JOIN elasticc2_ppdbdiasource AS source ON source.diasource_id = message.diasource_id"
_SELECT: Final = (
    "SELECT brokermessage_id, streammessage_id, alert_id, message.diasource_id, msghdrtimestamp, descingesttimestamp,"
    " elasticcpublishtimestamp, brokeringesttimestamp, brokername, brokerversion, classifiername, classifierparams,"
    " classid, probability"
)


class BadQuestion(ValueError):
    """The request does not say, or not clearly, which messages it asks for."""


@dataclass(frozen=True)
class Question:
    """Which messages are asked for."""

    column: str | None
    """SQL expression; None: one message."""
    values: tuple[int, ...]
    offset: int = 0
    num: int = PAGE


def question_of(path: str, parameters: Mapping[str, str]) -> Question:
    """Read a question.

    Parameters
    ----------
    path : str
        Part of the address after `brokermessage/`: a number, or `alertid=1,2`, `sourceid=…`, `objectid=…`, and
        optionally `offset=…` and `num=…`, separated by slashes.
    parameters : mapping of str to str
        Query parameters of the same names; others are ignored.

    Raises
    ------
    BadQuestion
        If the path or a parameter is not valid.

    Examples
    --------
    >>> question_of("alertid=1,2/offset=10/", {})
    Question(column='message.alert_id', values=(1, 2), offset=10, num=100)
    >>> question_of("7", {})
    Question(column=None, values=(7,), offset=0, num=100)
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) == 1 and parts[0].isdecimal() and not parameters:
        return Question(None, (_number(parts[0]),))
    given = {name: value for name, value in parameters.items() if name.lower() in _NAMES}
    for part in parts:
        name, found, value = part.partition("=")
        if not found:
            raise BadQuestion(f'Can\'t parse argument string "{_shown(part)}".')
        given[name] = value
    wanted = {name: value for name, value in given.items() if name.lower() in _COLUMNS}
    unknown = [name for name in given if name.lower() not in _NAMES]
    if unknown:
        raise BadQuestion(f'Can\'t parse argument string "{_shown(f"{unknown[0]}={given[unknown[0]]}")}".')
    if len(wanted) != 1:
        raise BadQuestion("ask for messages by one of alertid, sourceid and objectid")
    ((name, value),) = wanted.items()
    offset, num = (_number(given.get(key, str(default))) for key, default in (("offset", 0), ("num", PAGE)))
    if not 1 <= num <= MOST or offset < 0:
        raise BadQuestion(f"num must be between 1 and {MOST}, and offset not negative")
    return Question(_COLUMNS[name.lower()], tuple(_number(item) for item in value.split(",")), offset, num)


def _number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise BadQuestion(f"{_shown(text)!r} is not a number") from None
    if not -(2**63) <= number < 2**63:
        raise BadQuestion(f"{text[:100]} does not fit 64 bits")
    return number


def _shown(text: str) -> str:
    """A part of a request to repeat in an answer: nothing that a browser could take for a page.

    Examples
    --------
    >>> _shown("foo=1"), _shown("<script>")
    ('foo=1', '...')
    """
    return text[:100] if re.fullmatch(r"[\w=,.+-]*", text, re.ASCII) else "..."


def read_messages(connection: psycopg.Connection[Any], question: Question) -> dict[str, Any]:
    """Read the messages that a question asks for.

    Returns
    -------
    dict
        One message, or an empty dict; or a page: `offset`, `num`, `totalcount`, `count`, `brokermessages`, by number.
    """
    if question.column is None:
        row = connection.execute(
            _SELECT + _FROM + " WHERE brokermessage_id = %s",  # type: ignore[arg-type]
            question.values,
        ).fetchone()
        return _document(row) if row is not None else {}
    source = _FROM + (_OF_OBJECTS if question.column.startswith("source.") else "")
    return page_of(connection, question, _SELECT, source, source, question.column, _document)


def page_of(
    connection: psycopg.Connection[Any],
    question: Question,
    select: str,
    source: str,
    counted: str,
    column: str,
    document: Callable[[tuple[Any, ...]], dict[str, Any]],
) -> dict[str, Any]:
    """The page of messages that a question asks for.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    question : Question
        Which messages, and where the page begins.
    select, source, counted : str
        SQL: the columns, of which the first is the number of the message; their FROM clause; the FROM clause for
        counting.
    column : str
        SQL expression that is compared with the values of the question.
    document : callable
        Function that turns a row into a document.
    """
    where = f" WHERE {column} = ANY(%s::bigint[])"
    values = [list(question.values)]
    total = connection.execute("SELECT count(*)" + counted + where, values).fetchone()  # type: ignore[arg-type]
    rows = connection.execute(
        select + source + where + " ORDER BY 1 OFFSET %s LIMIT %s",  # type: ignore[arg-type]
        [*values, question.offset, question.num],
    ).fetchall()
    return {
        "offset": question.offset,
        "num": question.num,
        "totalcount": total[0] if total is not None else 0,
        "count": len(rows),
        "brokermessages": [document(row) for row in rows],
    }


def _document(row: tuple[Any, ...]) -> dict[str, Any]:
    *message, broker, version, name, params, classids, probabilities = row
    classifications = [
        {"classifierName": name, "classifierParams": params, "classId": number, "probability": probability}
        for number, probability in zip(classids, probabilities, strict=True)
    ]
    return message_document(message, broker, version, classifications)


def message_document(
    message: Sequence[Any], broker: str, version: str | None, classifications: list[dict[str, Any]]
) -> dict[str, Any]:
    """A message as the interfaces show it.

    Parameters
    ----------
    message : sequence
        Number, offset in the topic, alert, detection, and four times: of the message header, of storage, of publication
        of the alert, and of its reception by the broker.
    broker, version : str Name and version of the broker.
    classifications : list of dict
        Its classifications.
    """
    number, offset, alert, source, header, ingested, published, received = message
    return {
        "brokerMessageId": number,
        "streamMessageId": offset,
        "alertId": alert,
        "diaSourceId": source,
        "msgHdrTimestamp": header.isoformat() if header is not None else None,
        "descIngestTimestamp": ingested.isoformat(),
        "elasticcPublishTimestamp": milliseconds(published),
        "brokerIngestTimestamp": milliseconds(received),
        "brokerName": broker,
        "brokerVersion": version,
        "classifications": classifications,
    }


def milliseconds(time: Any) -> int | None:
    """A time as milliseconds since 1970; None for None."""
    return round(time.timestamp() * 1000) if time is not None else None
