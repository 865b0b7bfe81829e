"""Telemetry files: packets as ground stations deliver them, with overlaps, repetitions and, on request, faults."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from broker_assets.storage.atomic import replace_atomically
from broker_assets.telemetry.packets.encoding import CONTINUATION, to_xml
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER
from broker_assets.telemetry.simulation.drafts import Draft
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY

EPOCH: Final = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
PASS_SECONDS: Final = 6 * 3600
OVERLAP_SECONDS: Final = 45 * 60
"""Seconds: what was sent in this last part of a pass is sent again in the next."""
UNSYNCHRONISED: Final = 1 << 31
"""Top bit of the seconds: the clock of the instrument was not synchronised."""
ON_REQUEST: Final = 91
"""Process id of answers to requests; its packets come in separate files."""


class Fault(StrEnum):
    """Possible faults in the telemetry of the first day."""

    DAMAGED_FILE = "damaged-file"
    """A copy of a file that ends in the middle of a packet; no packet is lost."""
    WRONG_LENGTH = "wrong-length"
    """A housekeeping report that is shorter than its header says."""
    LOST_PACKET = "lost-packet"
    """A packet in the middle of the answer to the second request is in no file: that request stays incomplete."""
    UNSYNCHRONISED = "unsynchronised"
    """Some reports of an instrument whose clock is not synchronised."""


@dataclass(frozen=True)
class Packet:
    """A packet and what it was made from."""

    draft: Draft
    data: bytes


def files_of_day(
    packets: Sequence[Packet],
    before: Sequence[Packet],
    day: int,
    *,
    faults: frozenset[Fault] = frozenset(),
    shuffle: np.random.Generator | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the telemetry files of a day, in the order of delivery.

    Four passes, each of which repeats the end of the one before, and two files with answers to requests, the second of
    which repeats the end of the first.

    Parameters
    ----------
    packets : sequence of Packet
        In order of time.
    before : sequence of Packet
        Of the day before, whose end the first pass repeats.
    day : int
        Days since 2000-01-01.
    faults : set of Fault
    shuffle : Generator, optional
        Mixes the order inside each file.
    """
    begin = day * SECONDS_PER_DAY
    packets = _faulty(packets, faults)
    routine = [packet for packet in (*before, *packets) if packet.draft.process[0] != ON_REQUEST]
    requested = [packet for packet in packets if packet.draft.process[0] == ON_REQUEST]
    for number in range(SECONDS_PER_DAY // PASS_SECONDS):
        first = begin + number * PASS_SECONDS
        after = first + PASS_SECONDS
        if after == begin + SECONDS_PER_DAY:
            # The last packets of a day are complete some seconds after midnight.
            chosen = [packet for packet in routine if packet.draft.coarse >= first - OVERLAP_SECONDS]
        else:
            chosen = [packet for packet in routine if first - OVERLAP_SECONDS <= packet.draft.coarse < after]
        content = _content(chosen, shuffle)
        yield file_name(first, after + 3600, number), content
        if number == 1 and Fault.DAMAGED_FILE in faults:
            yield file_name(first, after + 4000, 9), content[: len(content) * 3 // 5]
    middle = len(requested) // 2
    overlap = len(requested) // 10
    for number, part in enumerate((requested[: middle + overlap], requested[middle:])):
        last = begin + SECONDS_PER_DAY + 1800 * number
        yield file_name(begin, last + 7200, 4 + number), _content(part, shuffle)


def file_name(first: int, delivered: int, number: int) -> str:
    """Name of a telemetry file: the requested time, and the time of delivery.

    Examples
    --------
    >>> file_name(9800 * 86400, 9800 * 86400 + 90000, 3)
    'TM_BatchRequest.PktTmRaw.SOL.0.2026.304.00.00.00.000.sim3@2026.305.01.00.00.000.1.xml'
    """
    texts = [f"{EPOCH + datetime.timedelta(seconds=second):%Y.%j.%H.%M.%S}.000" for second in (first, delivered)]
    return f"TM_BatchRequest.PktTmRaw.SOL.0.{texts[0]}.sim{number}@{texts[1]}.1.xml"


def write_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that appears complete, as programs that watch the folder require."""
    replace_atomically(folder / name, content, sync_name=False)
    return folder / name


def _content(packets: Sequence[Packet], shuffle: np.random.Generator | None) -> bytes:
    order = range(len(packets)) if shuffle is None else shuffle.permutation(len(packets)).tolist()
    framed = (_ground_header(packets[place].draft) + packets[place].data for place in order)
    return b"".join(to_xml(framed, ground_header=None))


def _ground_header(draft: Draft) -> bytes:
    """The ground-segment header of a packet, with only the Unix time of its reception."""
    received = int(EPOCH.timestamp()) + (draft.coarse & ~UNSYNCHRONISED) + 600
    return bytes(4) + received.to_bytes(4, "big") + bytes(GROUND_HEADER - 8)


def _faulty(packets: Sequence[Packet], faults: frozenset[Fault]) -> list[Packet]:
    found = list(packets)
    if Fault.WRONG_LENGTH in faults:
        place = next(i for i, packet in enumerate(found) if packet.draft.key == (3, 25, 2))
        found[place] = replace(found[place], data=found[place].data[:-4])
    if Fault.LOST_PACKET in faults:
        answer = [i for i, packet in enumerate(found) if packet.draft.key == (21, 6, 21)]
        middle = [i for i in answer if found[i].draft.flag == CONTINUATION]
        del found[middle[len(middle) // 2]]
    return found
