"""What is proved of points without reading them is true, and of an ordinary stream everything is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database.point_identity import PointKind, mix
from broker_assets.database.point_selection import NO_OBJECT, Listed, Standing, Triggers, standings
from broker_assets.database.point_sums import ENTRY, Changes, Sums, months_of

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
    found = standings(triggers, points, sums_of(known, objects))
    # The proof is about identities within a month, whichever of their times is stored, and excludes other months from
    # the first one on that the packet lists.
    place = 0
    for number, (one, source, time, history) in enumerate(packets):
        key = (one, PointKind.SOURCE, source)
        if found.own[number] == Standing.NEW:
            assert one != NO_OBJECT
            begin = min([time, *(at for of, kind, _, at in history if of == one and kind is PointKind.SOURCE)])
            if key in known and month(known[key][0]) >= month(begin):
                # In the first month, which may be cut, only points of the same month are excluded.
                assert month(known[key][0]) == month(begin)
                assert month(time) != month(begin)
        assert found.own[number] != Standing.STORED
        for point_object, kind, identifier, at in history:
            key = (point_object, kind, identifier)
            listed = [when for of, what, _, when in history if of == point_object and what is kind]
            begin, end = min(listed), max(listed)
            if found.listed[place] == Standing.NEW:
                # A point whose time moved to a month behind all that the packet lists is not looked for there.
                if key in known and month(begin) <= month(known[key][0]) <= month(end):
                    # In the first month, which may be cut, only points of the same month are excluded.
                    assert month(known[key][0]) == month(begin)
                    assert month(at) != month(begin)
            elif found.listed[place] == Standing.STORED:
                is_own, brought = known[key][1], known[key][2:]
                assert is_own or (time, source) >= brought
            place += 1


def month(time: float) -> int:
    return int(months_of([time])[0])


@given(st.lists(st.tuples(NUMBERS, st.lists(st.booleans(), min_size=3, max_size=3)), min_size=1, max_size=12))
def test_nothing_is_open_in_an_ordinary_stream(visits: list[tuple[int, list[bool]]]) -> None:
    """Each packet lists all points before it; some come only with the next packet."""
    stored: Stored = {}
    history: list[tuple[int, PointKind, int, float]] = []
    for step, (_, also) in enumerate(visits):
        time = 60000.5 + 5 * step
        packet = (1, step, time, sorted(history, key=lambda point: point[3]))
        triggers, points = arrays([packet])
        found = standings(triggers, points, sums_of(stored, {1}))
        assert found.own.tolist() == [Standing.NEW]
        assert all(places.size == 0 for places in found.scattered.values())
        expected = [Standing.STORED if point[:3] in stored else Standing.NEW for point in packet[3]]
        assert found.listed.tolist() == expected
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
    assert standings(triggers, points, sums_of(stored, {1})).listed.tolist() == [Standing.OPEN, Standing.STORED]


def test_a_packet_that_lists_its_own_source_proves_nothing_about_it() -> None:
    twice = (1, 7, 60007.5, [(1, PointKind.SOURCE, 7, 60007.5), (1, PointKind.FORCED, 3, 60001.5)])
    triggers, points = arrays([twice, (1, 8, 60008.5, [])])
    found = standings(triggers, points, sums_of({}, {1}))
    assert found.own.tolist() == [Standing.OPEN, Standing.NEW]
    assert found.listed.tolist() == [Standing.OPEN, Standing.NEW]


def test_a_point_that_may_be_stored_in_another_month_stays_open() -> None:
    """The packets list a point of the first month at its time, and the second in another month than it is stored."""
    first, second = (1, PointKind.FORCED, 5), (1, PointKind.FORCED, 6)
    stored: Stored = {first: (60000.5, False, 60009.5, 9), second: (60100.5, False, 60009.5, 9)}
    packet = (1, 12, 60110.5, [(*first, 60000.5), (*second, 60060.5)])
    triggers, points = arrays([packet])
    found = standings(triggers, points, sums_of(stored, {1}))
    assert found.listed.tolist() == [Standing.STORED, Standing.OPEN]
    assert found.scattered[PointKind.FORCED].tolist() == [0]
