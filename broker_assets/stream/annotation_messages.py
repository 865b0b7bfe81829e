"""Turns a message on the topic of an annotator into annotations, or into the reason why it cannot be used.

The rows of the annotators define the topics and how their messages are read (`annotations.sources`); here each topic
becomes a stream with a name, under which its positions and its quarantine are stored.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker_assets.annotations.annotators import Annotator
from broker_assets.annotations.content import AnnotationRefused, BadAnnotation, annotation
from broker_assets.annotations.forms import documents
from broker_assets.annotations.sources import Source
from broker_assets.annotations.waiting import AnnotationMessage, Item
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.stream.annotation_avro import keyed_documents
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message

PREFIX: Final = "annotator."
"""Prefix of the names of these streams, and of no others."""


@dataclass(frozen=True)
class AnnotationStream:
    """A Kafka topic of an annotator."""

    annotator: str
    """Topic of the annotator, see `annotators`."""
    topic: str
    """Kafka topic."""
    source: Source
    version: str
    """Version of annotations that do not state one."""

    @property
    def name(self) -> str:
        """Name of the stream: `annotator.<annotator>.<Kafka topic>`."""
        return f"{PREFIX}{self.annotator}.{self.topic}"


def annotation_streams(annotator: Annotator) -> list[AnnotationStream]:
    """The streams of an annotator, one for each of its Kafka topics.

    Raises
    ------
    BadSource
        If this version does not know the kind of its source.
    """
    source = annotator.reads
    return [AnnotationStream(annotator.topic, topic, source, annotator.version) for topic in source.topics]


def annotator_of(stream: str) -> tuple[str, str] | None:
    """Annotator and Kafka topic from the name of a stream; None if it is another kind of stream.

    Examples
    --------
    >>> annotator_of("annotator.fink_sn.fink_sn_candidates_lsst"), annotator_of("rubin-alerts")
    (('fink_sn', 'fink_sn_candidates_lsst'), None)
    """
    if not stream.startswith(PREFIX):
        return None
    annotator, _, topic = stream.removeprefix(PREFIX).partition(".")
    return annotator, topic


def read_messages(stream: AnnotationStream, messages: Sequence[Message], largest: int) -> list[list[Item] | Reason]:
    """The annotations of each message, or why it has none; see `read_message`."""
    quick: Mapping[int, Mapping[str, Any]] = {}
    if stream.source.form == "keyed-avro" and stream.source.fields.places:
        readable = [(m.key, m.value) if len(m.value) <= largest else (None, b"") for m in messages]
        quick = keyed_documents(readable, stream.source.fields.paths)
    return [read_message(stream, message, largest, quick.get(number)) for number, message in enumerate(messages)]


def read_message(
    stream: AnnotationStream, message: Message, largest: int, document: Mapping[str, Any] | None = None
) -> list[Item] | Reason:
    """The annotations of a message, or why it has none.

    Parameters
    ----------
    stream : AnnotationStream
        Stream of the message.
    message : Message
        The message.
    largest : int
        Largest message, bytes.
    document : mapping, optional
        Its document, if it has already been read.
    """
    if len(message.value) > largest:
        return Reason(f"{len(message.value)} bytes, more than {largest}")
    fields = stream.source.fields
    try:
        if document is not None:
            found = [document]
        else:
            found = documents(stream.source.form, message.key, message.value, fields.first_members)
        place = AnnotationMessage(
            stream.name, message.partition, message.offset, message.time, message.key, message.value
        )
        return [Item(_annotation(stream, one), place) for one in found]
    except AnnotationRefused as refusal:
        return Reason(str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever hostile documents lead to: the next message must be read
        return Reason(f"{type(error).__name__}: {error}", traceback.format_exc())


def _annotation(stream: AnnotationStream, document: Mapping[str, Any]) -> Any:
    if not stream.source.fields.places:
        named = document.get("topic")
        # Lasair's producer writes the Kafka topic here, its API the annotator.
        if named not in (None, "", stream.annotator, stream.topic):
            raise BadAnnotation(
                f"the message is for the annotator {str(named)[:80]!r}, and {stream.topic} is the topic of"
                f" {stream.annotator}"
            )
    made = stream.source.fields.annotation(document, stream.topic)
    return annotation(stream.annotator, made, version=stream.version, named=object_named)


def object_named(name: str) -> int:
    """Identifier of an object that surveys give a name (ZTF).

    Raises
    ------
    ValueError
        If it is not such a name.
    """
    return int(ztf_object_id([name])[0])
