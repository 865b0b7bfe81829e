"""Batches up to the commit: ranges without holes, every message in the archive, payloads given up."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.stream.archive import BatchPreparer
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message
from broker_assets.stream.orphaned_files import NOTES, PendingFiles

TOPIC = "alerts"


def every_point(triggers: Triggers, points: Listed) -> tuple[np.ndarray, None]:
    """An empty database."""
    return np.ones(len(points.trigger), bool), None


@pytest.fixture
def prepare(tmp_path: Path, schema_folder: Path) -> Any:
    """A function that makes a preparer from positions on."""

    def make(positions: dict[int, int], **more: Any) -> BatchPreparer:
        options: dict[str, Any] = {
            "archive_url": tmp_path.as_uri(),
            "topic": TOPIC,
            "positions": positions,
            "compare": every_point,
            "pending": PendingFiles(tmp_path.as_uri(), TOPIC),
            "condemned": {},
        }
        decoder = AlertDecoder("rubin", "confluent", SchemaFolder(schema_folder), topic=TOPIC)
        return BatchPreparer(decoder, **(options | more))

    return make


def messages(values: list[bytes], *, partition: int = 0, first: int = 0, step: int = 1) -> list[Message]:
    return [Message(partition, first + step * number, 1000, b"k", value) for number, value in enumerate(values)]


def test_every_message_is_in_a_file_of_its_night_as_it_came(prepare: Any, packets: ModuleType) -> None:
    values = list(packets.Survey(objects=3, visits=4).packets())
    preparer = prepare({0: 0})
    decoded = preparer.decode(messages(values))
    nights = [str(night) for night in decoded.nights]
    batch = preparer.archive(decoded)
    found = {}
    for group in batch.groups:
        listed = list(archive.read_file(group.entry.url))
        assert len(listed) == group.entry.packets == len(group.packets)
        for row, position, length, packet in zip(group.packets, group.positions, group.lengths, listed, strict=True):
            assert packet.value == values[row]
            assert archive.read_packet(group.entry.url, int(position), int(length)).value == values[row]
            assert str(group.entry.night) == nights[row]
            found[int(row)] = group.entry.url
    assert sorted(found) == list(range(len(values)))
    assert batch.received_bytes == sum(map(len, values))


def test_ranges_follow_one_another_also_over_holes(prepare: Any, packets: ModuleType) -> None:
    """Transaction markers take offsets that no message has."""
    values = list(packets.Survey(objects=2, visits=2).packets())
    preparer = prepare({0: 10, 1: 0, 2: 7})
    given = [
        messages(values[:2], first=12, step=3) + messages(values[2:3], partition=1),
        messages(values[3:], partition=1, first=5),
    ]
    ranges = [preparer.archive(preparer.decode(batch)).ranges for batch in given]
    assert [[(r.partition, r.first_offset, r.next_offset, r.received) for r in found] for found in ranges] == [
        [(0, 10, 16, 2), (1, 0, 1, 1)],
        [(1, 1, 6, 1)],
    ]


def test_payloads_are_given_up_but_for_those_in_quarantine(prepare: Any, packets: ModuleType) -> None:
    values = [*packets.Survey(objects=2, visits=1).packets(), b"no packet"]
    preparer = prepare({0: 0}, condemned={(0, 1): Reason("condemned", "once killed the decoder")})
    decoded = preparer.decode(messages(values))
    assert sorted(decoded.failed) == [1, 2]
    batch = preparer.archive(decoded)
    assert [message.value for message in batch.decoded.messages] == [b"", values[1], b"no packet"]
    assert [len(group.packets) for group in batch.groups] == [1]


def test_a_batch_of_nothing_readable_has_no_file(prepare: Any, tmp_path: Path) -> None:
    preparer = prepare({0: 0})
    batch = preparer.archive(preparer.decode(messages([b"", b"x"])))
    assert (batch.groups, batch.note) == ([], None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_note_stays_until_the_commit(prepare: Any, packets: ModuleType, tmp_path: Path) -> None:
    preparer = prepare({0: 0})
    batch = preparer.archive(preparer.decode(messages(list(packets.Survey(objects=1, visits=1).packets()))))
    assert batch.note is not None
    assert [path.name for path in (tmp_path / TOPIC / NOTES).iterdir()] == [batch.note.name]


def test_a_run_that_was_taken_over_takes_its_files_back(prepare: Any, packets: ModuleType, tmp_path: Path) -> None:
    class TakenOver(PendingFiles):
        """The next run of the partitions comes while the files are written."""

        def announce(self, *arguments: Any) -> Any:
            note = super().announce(*arguments)
            PendingFiles(tmp_path.as_uri(), TOPIC).sweep([0], lambda urls: set())
            return note

    preparer = prepare({0: 0}, pending=TakenOver(tmp_path.as_uri(), TOPIC))
    decoded = preparer.decode(messages(list(packets.Survey(objects=2, visits=3).packets())))
    with pytest.raises(StaleStreamPosition, match="taken over"):
        preparer.archive(decoded)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
