"""What is proved of points without reading them is true, and of an ordinary stream everything is proved."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
from hypothesis import given, settings
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
        parts.append(changes_of(kind, rows))
    return empty.after(parts)


def changes_of(kind: PointKind, rows: list[tuple[Any, ...]]) -> Changes:
    """Points that are added: object, number, time, own packet, time and number of the packet that brought it."""
    columns = [np.array([row[place] for row in rows]) for place in range(6)]
    return Changes(
        columns[0].astype(np.int64), kind, columns[2].astype(float), mix(columns[1].astype(np.int64)),
        columns[3].astype(bool), columns[4].astype(float), columns[5].astype(np.int64),
    )  # fmt: skip


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


TIMES = st.sampled_from([60000.5 + 27 * step for step in range(8)])
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
    st.sampled_from([30.0, 365.0]),
)
def test_whatever_is_proved_is_true(stored: Stored, packets: Any, history_days: float) -> None:
    triggers, points = arrays(packets)
    triggers = dataclasses.replace(triggers, history_days=history_days)
    objects = {packet[0] for packet in packets} | {point[0] for packet in packets for point in packet[3]}
    known = {key: value for key, value in stored.items() if key[0] in objects}
    found = standings(triggers, points, sums_of(known, objects))

    def may_be_new(key: tuple[int, PointKind, int], at: float, packet: Any, *, is_own: bool) -> bool:
        """Whether the point is not stored, or only with a time that one wrong time cannot explain."""
        if key not in known:
            return True
        one, _, time, history = packet
        stored_at, own, brought, _ = known[key]
        listed = [when for of, kind, _, when in history if of == one == key[0] and kind is key[1]]
        listed = listed or [when for of, kind, _, when in history if of == key[0] and kind is key[1]]
        begin = month(min([time, *listed] if is_own else listed))
        if month(stored_at) >= min(begin, month(time - history_days)):
            # The window may cut the first month that is listed: only points of the same month are excluded there.
            return month(stored_at) == begin and month(at) != begin
        # Only the packet that brought it proves that it was taken before.
        return brought < at if not own else is_own or key[1] is not PointKind.SOURCE

    place = 0
    for number, packet in enumerate(packets):
        one, source, time, history = packet
        assert found.own[number] != Standing.STORED
        if found.own[number] == Standing.NEW:
            assert one != NO_OBJECT
            assert may_be_new((one, PointKind.SOURCE, source), time, packet, is_own=True)
        for point_object, kind, identifier, at in history:
            key = (point_object, kind, identifier)
            if found.listed[place] == Standing.NEW:
                assert may_be_new(key, at, packet, is_own=False)
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


@st.composite
def campaigns(draw: st.DrawFn) -> tuple[float, list[tuple[int, int, float, list[tuple[int, PointKind, int, float]]]]]:
    """Packets of one object in any order, each with the points of its window; one of the times is wrong."""
    history_days = draw(st.sampled_from([30.0, 365.0]))
    steps = draw(st.lists(st.sampled_from([9, 40, 170, 400]), min_size=2, max_size=6))
    visits = [60000.3 + float(sum(steps[:number])) for number in range(len(steps))]
    wrong_kind, wrong = draw(st.sampled_from(PointKind)), draw(st.integers(0, 2))
    wrong_in = wrong + draw(st.integers(0, 1))
    shift = draw(st.sampled_from([-700.0, -200.0, -45.0, -20.0, 20.0, 45.0, 200.0]))
    packets = []
    for visit, time in enumerate(visits):
        history, own = [], time
        for earlier in range(visit + 1):
            for kind in PointKind:
                at = visits[earlier] + (shift if (wrong_kind, wrong, wrong_in) == (kind, earlier, visit) else 0.0)
                if kind is PointKind.SOURCE and earlier == visit:
                    own = at
                elif visits[earlier] >= time - history_days and (earlier == wrong or draw(st.booleans())):
                    history.append((1, kind, earlier, at))
        packets.append((1, visit, own, sorted(history, key=lambda point: point[3])))
    in_order = draw(st.booleans())
    return history_days, packets if in_order else draw(st.permutations(packets))


@settings(max_examples=1000 if os.environ.get("BROKER_TEST_FULL") else 200)
@given(campaigns())
def test_no_point_has_two_rows_in_any_order(campaign: Any) -> None:
    """As `compare` and the writer use the proofs: a new point that is stored would get a second row."""
    history_days, packets = campaign
    stored: Stored = {}
    sums = sums_of(stored, {1})
    for packet in packets:
        one, source, time, history = packet
        triggers, points = arrays([packet])
        found = standings(dataclasses.replace(triggers, history_days=history_days), points, sums)
        every = [(one, PointKind.SOURCE, source, time), *history]
        standing = [found.own[0], *found.listed]
        by_kind = {}
        for kind in PointKind:
            is_open = [month(p[3]) for p, s in zip(every, standing, strict=True) if p[1] is kind and s == Standing.OPEN]
            by_kind[kind] = None if found.scattered[kind].size else is_open
        added: dict[PointKind, list[tuple[Any, ...]]] = {kind: [] for kind in PointKind}
        for number, (point, how) in enumerate(zip(every, standing, strict=True)):
            read = by_kind[point[1]]
            if how == Standing.NEW and read is not None:
                assert point[:3] not in stored or month(stored[point[:3]][0]) in read
            if how == Standing.STORED:
                assert point[:3] in stored
            if point[:3] not in stored:
                stored[point[:3]] = (point[3], number == 0, time, source)
                added[point[1]].append((1, point[2], *stored[point[:3]]))
        sums = sums.after([changes_of(kind, rows) for kind, rows in added.items()])
