"""Batches of the stream up to the commit: offset ranges, decoding, archive files."""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from upath import UPath

from broker_assets.accounting import ledger
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.stream.commit import ArchivedGroup, PreparedBatch
from broker_assets.stream.decode import Compare, DecodedBatch, Reason, decode_batch
from broker_assets.stream.messages import Message
from broker_assets.stream.orphaned_files import ExpectedFile, PendingFiles
from broker_assets.stream.session import BeginAttempt
from broker_assets.stream.spent import Stopwatch


class BatchPreparer:
    """Decodes and archives batch after batch from given positions; one thread decodes and one archives.

    Parameters
    ----------
    decoder : AlertDecoder
        Decoder for survey, framing and schemas.
    archive_url, topic : str
        URL and topic of the packet archive.
    positions : mapping of partition to offset
        Start of the batches, by partition.
    compare : callable
        Determines which points of a batch must be written, see `decode.Compare`.
    pending : PendingFiles
        Notified of files before they are written.
    condemned : mapping of (partition, offset) to Reason
        Messages that are quarantined without decoding.
    begin : callable
        Called with the offsets of a batch before it is decoded.
    """

    def __init__(
        self,
        decoder: AlertDecoder,
        *,
        archive_url: str,
        topic: str,
        positions: Mapping[int, int],
        compare: Compare,
        pending: PendingFiles,
        condemned: Mapping[tuple[int, int], Reason],
        begin: BeginAttempt = lambda ranges: None,
    ) -> None:
        self._decoder = decoder
        self._archive_url = archive_url
        self._topic = topic
        self._positions = dict(positions)
        self._compare = compare
        self._pending = pending
        self._condemned = condemned
        self._begin = begin

    def decode(self, messages: Sequence[Message]) -> DecodedBatch:
        """Decode the next batch.

        Raises
        ------
        RegistryUnavailable
            If a schema is temporarily unavailable.
        """
        looked_into = [item for item in messages if (item.partition, item.offset) not in self._condemned]
        if looked_into:
            self._begin(_spans(looked_into))
        return decode_batch(messages, self._decoder, self._compare, condemned=self._condemned)

    def archive(self, decoded: DecodedBatch) -> PreparedBatch:
        """Archive a decoded batch, which then releases all payloads except those to be quarantined.

        Raises
        ------
        OSError
            If the archive cannot be written.
        StaleStreamPosition
            If another run has taken over the partitions meanwhile.
        """
        watch = Stopwatch()
        received_bytes = sum(len(message.value) for message in decoded.messages)
        groups, note = self._archive(decoded)
        decoded.release()
        return PreparedBatch(
            decoded=decoded,
            groups=groups,
            ranges=self._ranges(decoded.messages),
            received_bytes=received_bytes,
            note=note,
            spent={"archive": watch.lap()},
            started_at=decoded.started_at,
        )

    def _archive(self, decoded: DecodedBatch) -> tuple[list[ArchivedGroup], UPath | None]:
        parts = archive_parts(decoded)
        if not parts:
            return [], None
        note = self._pending.announce(sorted(self._positions), [ExpectedFile(part.night, part.name) for part in parts])
        groups = write_archive(decoded, parts, self._archive_url, self._topic, self._decoder.framing)
        self._pending.confirm(note)
        return groups, note

    def _ranges(self, messages: Sequence[Message]) -> list[ledger.Range]:
        """Offsets of a batch; they begin where the previous batch ended, even if Kafka has no message there."""
        received = Counter(message.partition for message in messages)
        ranges = []
        for partition, count in sorted(received.items()):
            end = max(message.offset for message in messages if message.partition == partition) + 1
            ranges.append(
                ledger.Range(
                    partition=partition, first_offset=self._positions[partition], next_offset=end, received=count
                )
            )
            self._positions[partition] = end
        return ranges


def _spans(messages: Sequence[Message]) -> dict[int, tuple[int, int]]:
    """First offset and offset after the last, by partition."""
    spans: dict[int, tuple[int, int]] = {}
    for message in messages:
        first, _ = spans.get(message.partition, (message.offset, 0))
        spans[message.partition] = first, message.offset + 1
    return spans


def archive_parts(decoded: DecodedBatch) -> list[archive.ArchivePart]:
    """The files of a batch, under names that no other attempt at the same messages uses.

    A run that has lost its locks without noticing may still write its files; under the same names they would replace
    those committed by the next run.
    """
    token = uuid.uuid4().hex[:8]
    found = archive.parts(decoded.framed, decoded.packets, decoded.nights, decoded.messages)
    return [replace(part, prefix=f"{part.prefix}-{token}") for part in found]


def write_archive(
    decoded: DecodedBatch, parts: Sequence[archive.ArchivePart], archive_url: str, topic: str, framing: str
) -> list[ArchivedGroup]:
    """Write the archive files of a batch."""
    groups = []
    for part in parts:
        file = archive.write(archive_url, topic, part, decoded.messages, decoded.framed, framing=framing)
        entry = ledger.ArchiveFileEntry(
            topic=topic,
            night=datetime.date.fromisoformat(file.night),
            url=file.url,
            packets=len(file.packets),
            bytes=file.bytes,
            sha256=file.sha256,
            schema_id=file.schema,
        )
        groups.append(ArchivedGroup(entry, file.packets, file.positions, file.lengths))
    return groups
