"""Counts that grow with the messages are those of all messages at once."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from broker_assets.tom.metrics import tallies
from broker_assets.tom.metrics.curves import BINS
from broker_assets.tom.metrics.tallies import tally
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

pytestmark = pytest.mark.database


def stored(world: Any) -> dict[str, Counter[tuple[Any, ...]]]:
    queries = {
        "scores": "SELECT classifier_id, classid, is_right, bin, messages FROM classifier_scores",
        "messages": "SELECT classifier_id, gentype, messages FROM classifier_messages",
        "delays": "SELECT classifier_id, delay, bin, messages FROM classifier_delays",
        "answers": "SELECT classifier_id, sent_on, detections, alerts FROM classifier_answers",
    }
    return {
        name: Counter({tuple(row[:-1]): row[-1] for row in world.connection.execute(query)})
        for name, query in queries.items()
    }


def expected(world: Any, gentypes: dict[int, int]) -> dict[str, Counter[tuple[Any, ...]]]:
    """By brute force, message by message."""
    taxonomy = read_taxonomy("elasticc2")
    found: dict[str, Counter[tuple[Any, ...]]] = {
        name: Counter() for name in ("scores", "messages", "delays", "answers")
    }
    answered = set()
    for message in world.messages:
        who, alert = message["classifier_id"], message["alert_id"]
        gentype = gentypes.get(alert // 10, -1)
        found["messages"][who, gentype] += 1
        for classid, probability in zip(message["classid"], message["probability"], strict=True):
            if gentype >= 0:
                place = min(math.floor(probability * BINS), BINS - 1) if 0 <= probability <= 1 else -1
                right = bool(taxonomy.matches(classid, gentype))
                found["scores"][who, classid, right, place] += 1
        sent = world.sent.get(alert)
        for kind, end, begin in (
            ("full", message["stored"], sent), ("broker", message["header"], sent),
            ("tom", message["stored"], message["header"]),
        ):  # fmt: skip
            if begin is not None:
                seconds = (end - begin).total_seconds()
                found["delays"][who, kind, -1 if seconds < 1 else math.floor(4 * math.log10(seconds))] += 1
        if sent is not None and (who, alert) not in answered:
            answered.add((who, alert))
            found["answers"][who, sent.date(), alert % 10 + 1] += 1
    return found


def test_counts_grow_with_the_messages(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(tallies, "CHUNK", 11)
    first = tally(world.connection)
    assert (first.messages, first.again, first.newest) == (0, True, 0)
    for count in (1, 40, 0, 25):
        world.report(count)
        done = tally(world.connection)
        assert (done.messages, done.again) == (count, False)
        assert stored(world) == expected(world, world.gentypes)


def test_another_truth_counts_everything_again(world: Any) -> None:

    world.report(30)
    before = tally(world.connection)
    world.truth(1, 21)
    after = tally(world.connection)
    assert (after.messages, after.again) == (30, True)
    assert after.inputs != before.inputs
    assert stored(world) == expected(world, world.gentypes | {1: 21})
    assert tally(world.connection).messages == 0


def test_messages_that_are_stored_before_their_alert_is_marked_as_sent(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "CHUNK", 11)
    unsent = [13, 23, 33, 63]  # of the last object there is no truth
    world.report(30, [*unsent, 11, 999])
    assert tally(world.connection).messages == 30
    assert stored(world) == expected(world, world.gentypes)
    # Marked with and without further messages, which are about others, or about the same alerts.
    for alert, count in ((13, 0), (23, 20), (33, 25)):
        world.send(alert, alert)
        world.report(count, [*unsent, 12, alert])
        done = tally(world.connection)
        assert (done.messages, done.again) == (count, False)
        assert stored(world) == expected(world, world.gentypes)
    waiting = world.connection.execute("SELECT DISTINCT alert_id FROM classifier_waiting").fetchall()
    assert waiting == [(63,)]
    counted = stored(world)
    world.connection.execute("UPDATE classifier_tally SET inputs = 'others'")
    assert tally(world.connection).again
    assert stored(world) == counted


def test_messages_that_are_stored_before_their_alert(world: Any) -> None:
    rows = world.connection.execute("DELETE FROM elasticc2_ppdbalert WHERE alert_id IN (10, 20) RETURNING *").fetchall()
    late = {alert: world.sent.pop(alert) for alert in (10, 20)}
    world.report(30, [10, 20, 11])
    tally(world.connection)
    for row in rows:
        world.connection.execute("INSERT INTO elasticc2_ppdbalert VALUES (%s, %s, %s, %s)", row)
    world.sent |= late
    assert tally(world.connection).again
    assert stored(world) == expected(world, world.gentypes)
