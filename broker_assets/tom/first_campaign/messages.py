"""Messages of brokers in the first campaign as documents, each with all of its classifications."""

from __future__ import annotations

from typing import Any, Final

import psycopg

from broker_assets.tom.messages.reading import Question, message_document, page_of

_WHERE: Final = {
    "message.alert_id": 'message."alertId"',
    "message.diasource_id": 'message."diaSourceId"',
    "source.diaobject_id": 'source."diaObjectId"',
}
"""Columns of the second campaign, which questions name, and the corresponding ones of the first."""
_FROM: Final = " FROM elasticc_brokermessage AS message"
_OF_OBJECTS: Final = ' JOIN elasticc_diasource AS source ON source."diaSourceId" = message."diaSourceId"'
_SELECT: Final = (
    'SELECT message."brokerMessageId", "streamMessageId", "alertId", message."diaSourceId", "msgHdrTimestamp",'
    ' "descIngestTimestamp", "elasticcPublishTimestamp", "brokerIngestTimestamp", said.items, said.broker, said.version'
)
_SAID: Final = (
    " LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('classifierName', \"classifierName\", 'classifierParams',"
    ' "classifierParams", \'classId\', "classId", \'probability\', probability) ORDER BY "classificationId") AS items,'
    ' min("brokerName") AS broker, min("brokerVersion") AS version FROM elasticc_brokerclassification AS one'
    ' JOIN elasticc_brokerclassifier USING ("classifierId") WHERE one."brokerMessageId" = message."brokerMessageId")'
    " AS said ON true"
)


def read_first_messages(connection: psycopg.Connection[Any], question: Question) -> dict[str, Any]:
    """Read the messages that a question asks for; see `tom.messages.reading.read_messages`."""
    if question.column is None:
        row = connection.execute(
            _SELECT + _FROM + _SAID + ' WHERE message."brokerMessageId" = %s', question.values
        ).fetchone()  # fmt: skip
        return _document(row) if row is not None else {}
    source = _FROM + (_OF_OBJECTS if question.column.startswith("source.") else "")
    return page_of(connection, question, _SELECT, source + _SAID, source, _WHERE[question.column], _document)


def _document(row: tuple[Any, ...]) -> dict[str, Any]:
    *message, items, broker, version = row
    return message_document(message, broker, version, items or [])
