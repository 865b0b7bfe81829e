"""What is proved of points without reading them is true, and of an ordinary stream everything is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database.point_identity import PointKind, mix
from broker_assets.database.point_selection import NO_OBJECT, Listed, Standing, Triggers, standings
from broker_assets.database.point_sums import ENTRY, Changes, Sums

Stored = dict[tuple[int, PointKind, int], tuple[float, bool, float, int]]
"""(object, kind, number) to (time, own packet, time and number of the packet that brought it)."""


def sums_of(stored: Stored, objects: set[int]) -> Sums:
    known = np.array(sorted(objects), np.int64)
    empty = Sums(
        known, np.zeros(known.size, np.int64), np.zeros(known.size, np.int64), np.ones(known.size, bool),
        np.full(known.size, -(2**15)), np.zeros(0, np.int64), np.zeros(0, ENTRY),
    )  # fmt: skip
    parts = []
    for kind in PointKind:
        rows = [(one, number, *rest) for (one, which, number), rest in stored.items() if which is kind]
        columns = [np.array([row[place] for row in rows]) for place in range(6)]
        parts.append(
            Changes(
                columns[0].astype(np.int64), kind, columns[2].astype(float), mix(columns[1].astype(np.int64)),
                columns[3].astype(bool), columns[4].astype(float), columns[5].astype(np.int64),
            )
        )  # fmt: skip
    return empty.after(parts)


def arrays(
    packets: list[tuple[int, int, float, list[tuple[int, PointKind, int, float]]]],
) -> tuple[Triggers, Listed]:
    """Packets: object, source, time, and points as (object, kind, number, time)."""
    points = [(place, *point) for place, packet in enumerate(packets) for point in packet[3]]
    return (
        Triggers(
            np.array([packet[0] for packet in packets], np.int64),
            np.array([packet[1] for packet in packets], np.int64),
            np.array([packet[2] for packet in packets], float),
        ),
        Listed(
            np.array([point[0] for point in points], np.int64),
            np.array([point[2] for point in points], np.int8),
            np.array([point[1] for point in points], np.int64),
            mix(np.array([point[3] for point in points], np.int64)),
            np.array([point[4] for point in points], float),
            np.zeros(len(points), bool),
        ),
    )


TIMES = st.sampled_from([60000.5 + 13 * step for step in range(8)])
NUMBERS = st.integers(1, 6)
OBJECTS = st.integers(0, 2)
KINDS = st.sampled_from(list(PointKind))


@given(
    st.dictionaries(st.tuples(OBJECTS, KINDS, NUMBERS), st.tuples(TIMES, st.booleans(), TIMES, NUMBERS), max_size=20),
    st.lists(
        st.tuples(OBJECTS, NUMBERS, TIMES, st.lists(st.tuples(OBJECTS, KINDS, NUMBERS, TIMES), max_size=12)),
        min_size=1,
        max_size=4,
    ),
)
def test_whatever_is_proved_is_true(stored: Stored, packets: Any) -> None:
    triggers, points = arrays(packets)
    objects = {packet[0] for packet in packets} | {point[0] for packet in packets for point in packet[3]}
    known = {key: value for key, value in stored.items() if key[0] in objects}
    own, listed = standings(triggers, points, sums_of(known, objects))
    # Equal times of one number: the proof is about identities within a month, whichever of their times is stored.
    months = {key: int((value[0] - 60000.5) // 13) for key, value in known.items()}
    place = 0
    for number, (one, source, time, history) in enumerate(packets):
        key = (one, PointKind.SOURCE, source)
        if own[number] == Standing.NEW:
            assert one != NO_OBJECT
            assert key not in known or months[key] != int((time - 60000.5) // 13)
        assert own[number] != Standing.STORED
        for point_object, kind, identifier, at in history:
            key = (point_object, kind, identifier)
            if listed[place] == Standing.NEW:
                assert key not in known or known[key][0] != at
            elif listed[place] == Standing.STORED:
                is_own, brought = known[key][1], known[key][2:]
                assert is_own or (time, source) >= brought
            place += 1


@given(st.lists(st.tuples(NUMBERS, st.lists(st.booleans(), min_size=3, max_size=3)), min_size=1, max_size=12))
def test_nothing_is_open_in_an_ordinary_stream(visits: list[tuple[int, list[bool]]]) -> None:
    """Each packet lists all points before it; some come only with the next packet."""
    stored: Stored = {}
    history: list[tuple[int, PointKind, int, float]] = []
    for step, (_, also) in enumerate(visits):
        time = 60000.5 + 5 * step
        packet = (1, step, time, sorted(history, key=lambda point: point[3]))
        triggers, points = arrays([packet])
        own, listed = standings(triggers, points, sums_of(stored, {1}))
        assert own.tolist() == [Standing.NEW]
        expected = [Standing.STORED if point[:3] in stored else Standing.NEW for point in packet[3]]
        assert listed.tolist() == expected
        for point in packet[3]:
            stored.setdefault(point[:3], (point[3], False, time, step))
        stored[1, PointKind.SOURCE, step] = (time, True, time, step)
        history.append((1, PointKind.SOURCE, step, time))
        for kind, listed_later in zip((PointKind.FORCED, PointKind.LIMIT), also, strict=False):
            if listed_later:
                history.append((1, kind, step, time))


def test_a_late_packet_leaves_open_what_it_may_replace() -> None:
    stored: Stored = {(1, PointKind.FORCED, 5): (60000.5, False, 60009.5, 9)}
    early = (1, 7, 60007.5, [(1, PointKind.FORCED, 5, 60000.5)])
    late = (1, 12, 60012.5, [(1, PointKind.FORCED, 5, 60000.5)])
    triggers, points = arrays([early, late])
    assert standings(triggers, points, sums_of(stored, {1}))[1].tolist() == [Standing.OPEN, Standing.STORED]


def test_a_packet_that_lists_its_own_source_proves_nothing_about_it() -> None:
    twice = (1, 7, 60007.5, [(1, PointKind.SOURCE, 7, 60007.5), (1, PointKind.FORCED, 3, 60001.5)])
    triggers, points = arrays([twice, (1, 8, 60008.5, [])])
    own, listed = standings(triggers, points, sums_of({}, {1}))
    assert own.tolist() == [Standing.OPEN, Standing.NEW]
    assert listed.tolist() == [Standing.OPEN, Standing.NEW]
