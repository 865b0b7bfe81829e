"""Scorecards say what the counts, the roll-up and the sent alerts say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from broker_assets.tom.metrics.scorecards import DELAYS, scorecards, tables
from broker_assets.tom.metrics.tallies import tally
from broker_assets.tom.objects.class_rollup import update_classes
from broker_assets.tom.taxonomy.hierarchy import read_taxonomy

pytestmark = pytest.mark.database
TAXONOMY = read_taxonomy("elasticc2")


def test_the_cards_of_two_classifiers(world: Any) -> None:
    assert scorecards(world.connection, TAXONOMY) == []
    world.report(120)
    tally(world.connection)
    with world.connection.transaction():
        update_classes(world.connection, np.arange(1, 7))
    cards = scorecards(world.connection, TAXONOMY)
    assert [card.classifier.title for card in cards] == ["Broker 1 · classifier 1", "Broker 1 · classifier 2"]
    for card in cards:
        mine = [one for one in world.messages if one["classifier_id"] == card.classifier.classifier_id]
        assert card.messages == len(mine)
        assert card.without_truth == sum(one["alert_id"] // 10 not in (1, 2, 3, 4) for one in mine)
        answered = {one["alert_id"] for one in mine} & set(world.sent)
        assert card.completeness == pytest.approx(len(answered) / len(world.sent))
        assert sum(pair[1] for pair in card.by_detections.values()) == len(world.sent)
        assert set(card.by_detections) == {1, 2, 3}
        assert card.confusion.objects.sum() <= 4
        assert set(card.confusion.true.tolist()) <= set(TAXONOMY.true_class([10, 21, 82]).tolist())
        for one in card.classes:
            listed = [
                (message, probability)
                for message in mine
                for classid, probability in zip(message["classid"], message["probability"], strict=True)
                if classid == one.classid and message["alert_id"] // 10 in (1, 2, 3, 4, 5)
            ]
            valid = [probability for _, probability in listed if 0 <= probability <= 1]
            assert one.invalid == len(listed) - len(valid)
            assert one.calibration.messages.sum() == len(valid)
            known = sum(message["alert_id"] // 10 in (1, 2, 3, 4, 5) for message in mine)
            assert one.scores.right.sum() + one.scores.wrong.sum() == known - one.invalid
        for kind in DELAYS:
            assert card.delays[kind].sum() == sum(kind == "tom" or one["alert_id"] in world.sent for one in mine)
        assert card.median_delay("full") > 86_400
        assert card.median_delay("tom") < 1000

    found = tables(cards)
    assert found["classifiers"]["messages"].to_pylist() == [card.messages for card in cards]
    assert sum(found["confusion"]["objects"].to_pylist()) == sum(int(card.confusion.objects.sum()) for card in cards)
    for name in ("curves", "calibration", "delays", "completeness"):
        assert found[name].num_rows
    answers = [row for row in found["completeness"].to_pylist() if row["sent_on"] is not None]
    assert {row["sent_on"] for row in answers} == {"2026-03-01", "2026-03-02", "2026-03-03"}


def test_without_messages_nothing_is_defined(world: Any) -> None:
    world.report(3)
    tally(world.connection)
    card = scorecards(world.connection, TAXONOMY)[0]
    assert card.confusion.objects.size == 0
    assert math.isnan(card.right["exact"])
