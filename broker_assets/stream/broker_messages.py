"""Turns a message of a broker into rows of messages, or into the reason why it has none.

The settings define the brokers and how their messages are read (`survey.brokers`); here each topic becomes a stream
with a name, under which its positions and its quarantine are stored. Datums in the campaigns' schemas are read many at
a time; other forms are documents, read like those of annotators.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from broker_assets.annotations.content import AnnotationRefused
from broker_assets.annotations.fields import plain, value_at
from broker_assets.annotations.forms import documents
from broker_assets.settings.surveys import DATUMS, BrokerSettings
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message
from broker_assets.tom.messages.datums import CONTENT, checked, read_datums
from broker_assets.tom.messages.documents import message_rows
from broker_assets.tom.messages.forms import BadMessage
from broker_assets.tom.messages.storing import MESSAGES

PREFIX: Final = "broker."
"""Prefix of the names of these streams, and of no others."""
_LONGEST_TOPIC: Final = 200


@dataclass(frozen=True)
class BrokerStream:
    """A Kafka topic of a broker."""

    broker: str
    """Name of the broker in the settings."""
    topic: str
    """Kafka topic."""
    settings: BrokerSettings

    @property
    def name(self) -> str:
        """Name of the stream: `broker.<name>.<Kafka topic>`."""
        return f"{PREFIX}{self.broker}.{self.topic}"


def broker_of(stream: str) -> tuple[str, str] | None:
    """Broker and Kafka topic from the name of a stream; None if it is another kind of stream.

    Examples
    --------
    >>> broker_of("broker.fink.elasticc-1"), broker_of("rubin-alerts")
    (('fink', 'elasticc-1'), None)
    """
    if not stream.startswith(PREFIX):
        return None
    broker, _, topic = stream.removeprefix(PREFIX).partition(".")
    return broker, topic


@dataclass(frozen=True)
class ReadBatch:
    """The content of some messages."""

    rows: pa.Table
    """Columns `storing.MESSAGES`."""
    message: np.ndarray[Any, np.dtype[np.int32]]
    """Index of the message of each row."""
    refused: dict[int, Reason]
    """Why messages cannot be used, by index."""


def read_messages(stream: BrokerStream, messages: Sequence[Message], largest: int) -> ReadBatch:
    """Read messages of a stream, or find why they cannot be used.

    Parameters
    ----------
    stream : BrokerStream
        Stream of the messages.
    messages : sequence of Message
        The messages.
    largest : int
        Largest message, bytes.
    """
    refused = {
        number: Reason(f"{len(message.value)} bytes, more than {largest}")
        for number, message in enumerate(messages)
        if len(message.value) > largest
    }
    if stream.settings.reads == DATUMS:
        read = read_datums([b"" if number in refused else one.value for number, one in enumerate(messages)])
        rows = read.rows
        refused = {number: Reason(reason) for number, reason in read.refused.items()} | refused
    else:
        rows = _of_documents(stream, messages, refused)
    number = rows["message"].to_numpy()
    return ReadBatch(_placed(stream, messages, rows, number), number, refused)


def _placed(
    stream: BrokerStream, messages: Sequence[Message], rows: pa.Table, number: np.ndarray[Any, np.dtype[np.int32]]
) -> pa.Table:
    """Rows with the positions and times of their messages."""
    taken = pa.array(number)
    place: dict[str, Callable[[], Any]] = {
        "streammessage_id": lambda: pa.array([one.offset for one in messages], pa.int64()).take(taken),
        "kafka_partition": lambda: pa.array([one.partition for one in messages], pa.int32()).take(taken),
        "topicname": lambda: pa.repeat(stream.topic[:_LONGEST_TOPIC], len(number)),
        "msghdrtimestamp": lambda: pa.array(
            [one.time for one in messages], pa.timestamp("us", tz="UTC")
        ).take(taken),
    }  # fmt: skip
    return pa.table(
        [place[name]() if name in place else rows[name] for name in MESSAGES.names], names=MESSAGES.names
    )  # fmt: skip


def _of_documents(stream: BrokerStream, messages: Sequence[Message], refused: dict[int, Reason]) -> pa.Table:
    """Rows of messages that are documents; messages without rows are noted in `refused`."""
    made: list[dict[str, Any]] = []
    for number, message in enumerate(messages):
        if number in refused:
            continue
        try:
            found = [
                row | {"message": number}
                for document in documents(stream.settings.reads, message.key, message.value)
                for row in _rows_of(stream, document)
            ]
        except (AnnotationRefused, BadMessage) as refusal:
            refused[number] = Reason(str(refusal))
        except Exception as error:  # noqa: BLE001 - whatever hostile documents lead to: the next message must be read
            refused[number] = Reason(f"{type(error).__name__}: {error}", traceback.format_exc())
        else:
            made += found
    good, wrong = checked(pa.Table.from_pylist(made, CONTENT))
    refused |= {number: Reason(reason) for number, reason in wrong.items()}
    return good


def _rows_of(stream: BrokerStream, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = {name: value_at(document, place, stream.topic) for name, place in stream.settings.places.items()}
    return message_rows(said, stream.settings.classes, json.dumps(plain(document), allow_nan=False))
