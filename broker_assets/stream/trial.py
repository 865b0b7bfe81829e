"""Tests whether the code can still store messages, using messages other than those that failed.

Twenty consecutive failing messages may all be bad: a survey repeats its mistakes. Or a release is broken, and every
further message would go to quarantine. The same work on other messages distinguishes the two; its results are
discarded.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Container, Iterator, Mapping

from broker_assets.accounting import ledger
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.stream.commit import CODE_VERSION, ensure_partitions, write_rows
from broker_assets.stream.decode import decode_batch
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.errors import is_transient, may_lie_in_a_message
from broker_assets.stream.messages import Message, MessageSource, SourceError
from broker_assets.stream.session import DrainSession

logger = logging.getLogger(__name__)

STORED_MESSAGES = 3
"""Number of stored messages to try."""
FETCH_SECONDS = 5.0


def any_passes(
    session: DrainSession,
    source: MessageSource,
    decoder: AlertDecoder,
    plan: EnrichmentPlan,
    *,
    failed: Container[tuple[int, int]],
) -> bool:
    """Whether any other message of a topic can be decoded, enriched and written.

    The most recently stored messages are tried, and waiting messages at doubling distances from the positions.

    Parameters
    ----------
    session : DrainSession
        Connections, locks and positions. The assignment of the source is restored.
    source, decoder, plan : MessageSource, AlertDecoder, EnrichmentPlan
        Those of the run.
    failed : container of (partition, offset)
        Messages that need not be tried.
    """
    try:
        for messages in (_stored(session), _waiting(session, source)):
            for message in messages:
                if (message.partition, message.offset) not in failed and _passes(session, decoder, plan, message):
                    return True
        return False
    finally:
        source.assign(session.positions)


def _stored(session: DrainSession) -> Iterator[Message]:
    """The first message of each of the last archive files."""
    for (url,) in session.reader.execute(
        "SELECT url FROM archive_file WHERE topic = %s ORDER BY archivefileid DESC LIMIT %s",
        (session.topic, STORED_MESSAGES),
    ).fetchall():
        try:
            packet = next(archive.read_file(url), None)
        except archive.ArchiveError as error:
            logger.warning("%s", error)
            continue
        if packet is not None:
            yield Message(packet.partition, packet.offset, packet.timestamp_ms, packet.key, packet.value)


def _waiting(session: DrainSession, source: MessageSource) -> Iterator[Message]:
    ends: Mapping[int, int] = source.end_offsets()
    for partition, position in session.positions.items():
        distance = 1
        while position + distance < ends.get(partition, 0):
            source.assign({partition: position + distance})
            try:
                yield from source.consume(1, FETCH_SECONDS)
            except SourceError as error:
                logger.warning("%s", error)
            distance *= 2


def _passes(session: DrainSession, decoder: AlertDecoder, plan: EnrichmentPlan, message: Message) -> bool:
    try:
        decoded = decode_batch([message], decoder, session.compare)
        if decoded.failed:
            return False  # it would not get any further
        enriched = plan.compute(decoded.tables, session.enricher, stamps=decoded.stamps)
        ensure_partitions(session.writer, decoded)
        with session.writer.transaction(force_rollback=True):
            ingestid = ledger.open_batch(
                session.writer,
                topic=session.topic,
                kind="stream",
                code_version=CODE_VERSION,
                started_at=datetime.datetime.now(datetime.UTC),
            )
            write_rows(session.writer, ingestid, decoded, [], plan=plan, enriched=enriched)
        return True
    except Exception as error:
        if is_transient(error) or not may_lie_in_a_message(error):
            raise
        return False
