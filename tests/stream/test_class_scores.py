"""Scores of alerts: live, in reprocessing, in retry, in any order; and what a model that fails costs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from broken_adapter import BrokenAdapter
from enrichments import Meddler
from tiny_classifiers import CLASSES, description, fragile, stamped, tiny, weights, write_model

from broker_assets.classifiers.model import NO_STAMP
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.settings import DrainSettings
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night
from broker_assets.stream.retry import retry_quarantine

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
ROWS = (
    "SELECT diaobjectid, diasourceid, classifier, version, class, round(score::numeric, 5) FROM {} ORDER BY 1, 2, 3, 5"
)
USED = (
    "SELECT DISTINCT inputs ->> 'active_classifiers' FROM ingest_batch_facts WHERE asset = 'class_scores'"
    " AND replaced_by IS NULL"
)
SMALL = DrainSettings(batch_max=7, batch_seconds=0.2, idle_seconds=0.1)


@pytest.fixture
def store(broker: Any, tmp_path: Path) -> ClassifierStore:
    """A store of this test alone, with the tiny classifier."""
    broker.classifiers = tmp_path / "own"
    found = ClassifierStore(broker.classifiers)
    found.add(tiny(tmp_path / "tiny"))
    return found


def alerts(packets: ModuleType, objects: int = 5, visits: int = 6) -> list[dict[str, Any]]:
    """Alerts of objects of different brightness."""
    times = packets.Survey(objects=objects, visits=visits).times()
    made = []
    for visit in range(visits):
        for object_id in range(1, objects + 1):
            alert = packets.alert(object_id, times[: visit + 1])
            alert["diaSource"]["psfFlux"] = float(np.float32((-1) ** object_id * (object_id + visit) / 4.0))
            made.append(alert)
    return made


def drained(broker: Any, packets: ModuleType, made: list[dict[str, Any]], **options: Any) -> Any:
    report = broker.drain(packets.ListSource.of([packets.encode(alert) for alert in made]), **options)
    assert report.stored == len(made)
    return report


def facts(broker: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = broker.query(ROWS.format("class_scores"))
    return found


def state(broker: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = broker.query(ROWS.format("object_classes"))
    return found


def nights(broker: Any) -> list[str]:
    return [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]


def by_formula(broker: Any, made: list[dict[str, Any]], seed: int = 1) -> dict[tuple[int, int, str], float]:
    """Scores of the tiny model in plain numpy, from the packets and the stored features."""
    features = {
        (row[0], row[1]): [-1.0 if value is None else float(value) for value in row[2:]]
        for row in broker.query("SELECT diaobjectid, diasourceid, ngsources, nposdiasources FROM object_features")
    }
    found: dict[tuple[int, int, str], float] = {}
    for alert in made:
        key = alert["diaSource"]["diaObjectId"], alert["diaSource"]["diaSourceId"]
        number = alert["diaObject"]["nDiaSources"]
        values = [*features[key], -1.0 if number is None else number, alert["diaSource"]["psfFlux"]]
        sums = np.tanh(np.array(values, np.float32)) @ (weights(4, 3, seed) * np.float32(100.0))
        scores = np.exp(sums) / np.exp(sums).sum()
        found |= {(*key, name): float(score) for name, score in zip(CLASSES, scores, strict=True)}
    return found


def compare(rows: list[tuple[Any, ...]], expected: dict[tuple[int, int, str], float]) -> None:
    assert {(row[0], row[1], row[4]) for row in rows} == set(expected)
    assert max(abs(float(row[5]) - expected[row[0], row[1], row[4]]) for row in rows) < 1e-4


def test_facts_and_state_are_those_of_the_model(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    report = drained(broker, packets, made, settings=SMALL)
    expected = by_formula(broker, made)
    compare(facts(broker), expected)
    last = {alert["diaSource"]["diaSourceId"] for alert in made[-5:]}
    compare(state(broker), {key: score for key, score in expected.items() if key[1] in last})
    assert sum(counts.facts["class_scores"] for counts in report.nights.values()) == 3 * len(made)
    assert broker.query("SELECT class, meaning, output, sumtoone FROM classifier_classes ORDER BY 1") == [
        (name, meaning, 0, True) for name, meaning in sorted(CLASSES.items())
    ]
    assert broker.query("SELECT * FROM classifier_failures") == []
    broker.assert_closed_ledger()


def test_the_order_of_packets_does_not_matter(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    random.Random(4).shuffle(made)
    drained(broker, packets, made, settings=SMALL)
    expected = by_formula(broker, made)
    compare(facts(broker), expected)
    last = {alert["diaSource"]["diaSourceId"] for alert in sorted(made, key=lambda a: a["diaSource"]["midpointMjdTai"])}
    newest = {source // 1000: source for source in sorted(last)}
    compare(state(broker), {key: score for key, score in expected.items() if key[1] == newest[key[0]]})


@pytest.mark.parametrize("facts_only", [False, True])
def test_a_night_rebuilt_has_equal_rows(broker: Any, packets: ModuleType, facts_only: bool) -> None:
    drained(broker, packets, alerts(packets), settings=SMALL)
    before = facts(broker), state(broker)
    versions = "SELECT night, mod(sum(checksum), 18446744073709551616) FROM ingest_batch_facts"
    versions += " WHERE asset = 'class_scores' AND replaced_by IS NULL GROUP BY 1 ORDER BY 1"
    known = broker.query(versions)
    broker.execute("UPDATE class_scores SET score = 0")
    broker.execute("UPDATE object_classes SET score = 0 WHERE diaobjectid < 4")
    broker.execute("DELETE FROM object_classes WHERE diaobjectid = 4")
    for night in nights(broker):
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan, facts_only=facts_only)
    assert (facts(broker), state(broker)) == before
    assert broker.query(versions) == known


def test_a_retry_writes_the_scores_of_its_alerts(broker: Any, packets: ModuleType) -> None:
    made = alerts(packets)
    adapter = BrokenAdapter(lambda identity: 2 in identity.diaobjectid, "two")
    broker.drain(
        packets.ListSource.of([packets.encode(alert) for alert in made]), decoder=lambda: broker.decoder(adapter)
    )
    assert {row[0] for row in facts(broker)} == {1, 3, 4, 5}
    retry_quarantine(broker.database_url, broker.archive_url, broker.decoder, topic=broker.topic, plan=broker.plan)
    compare(facts(broker), by_formula(broker, made))
    assert {row[0] for row in state(broker)} == {1, 2, 3, 4, 5}


def test_another_version_gives_other_scores_of_the_past(
    broker: Any, packets: ModuleType, store: ClassifierStore, tmp_path: Path
) -> None:
    made = alerts(packets)
    drained(broker, packets, made)
    store.add(tiny(tmp_path / "second", seed=2, version="2"))
    assert "tiny 1 " in broker.value(USED)
    for night in nights(broker):
        reprocess_night(
            broker.database_url, night, surveys=SURVEYS, plan=broker.plan.chosen(["class_scores"]), facts_only=True
        )
    compare(facts(broker), by_formula(broker, made, seed=2))
    assert {row[3] for row in facts(broker)} == {row[3] for row in state(broker)} == {"2"}
    assert "tiny 2 " in broker.value(USED)


def test_without_a_model_there_are_no_scores(broker: Any, packets: ModuleType, tmp_path: Path) -> None:
    broker.classifiers = tmp_path / "nowhere"
    report = drained(broker, packets, alerts(packets))
    assert facts(broker) == state(broker) == []
    assert {counts.facts["class_scores"] for counts in report.nights.values()} == {0}


def test_a_model_that_fails_costs_its_scores_alone(
    broker: Any, packets: ModuleType, store: ClassifierStore, tmp_path: Path
) -> None:
    about = description(
        name="fragile",
        inputs=[{"name": "x", "columns": [{"column": "source.snr", "fill": 0}]}],
        outputs=[{"name": "p", "classes": {"any": "all alerts"}}],
    )
    store.add(write_model(tmp_path / "fragile", fragile(), about))
    damaged = store.add(tiny(tmp_path / "damaged", name="damaged"))
    (damaged.folder / "model.onnx").write_bytes(b"x")
    made = alerts(packets, visits=2)
    made[3]["diaSource"]["snr"] = 1e9
    drained(broker, packets, made, settings=DrainSettings(batch_max=5, batch_seconds=0.2, idle_seconds=0.1))
    assert len([row for row in facts(broker) if row[2] == "tiny"]) == 3 * len(made)
    assert len([row for row in facts(broker) if row[2] == "fragile"]) == 5
    failed = broker.query("SELECT classifier, reason, sum(alerts) FROM classifier_failures GROUP BY 1, 2 ORDER BY 1")
    assert [(name, number) for name, _, number in failed] == [("damaged", 10), ("fragile", 5)]
    assert "damaged 1 is damaged" in failed[0][1]
    assert "the model fails" in failed[1][1]
    broker.assert_closed_ledger()


def test_another_version_that_is_activated_under_way_is_what_is_written(
    broker: Any, packets: ModuleType, store: ClassifierStore, tmp_path: Path
) -> None:
    """Between computing and writing: scores are of the new version, and the ledger says so."""
    store.add(tiny(tmp_path / "second", seed=2, version="2"), activate=False)
    store.add(stamped(tmp_path / "stamped"), activate=False)
    done: list[bool] = []

    def meddle(_: Any) -> None:
        if not done:
            store.activate("tiny", "2")
            store.activate("stamps", "7")
            done.append(True)

    plan = EnrichmentPlan([*broker.plan.enrichments, Meddler(on_compute=meddle)])
    made = alerts(packets)
    drained(broker, packets, made, plan=plan)
    compare(facts(broker), by_formula(broker, made, seed=2))
    assert {row[3] for row in facts(broker)} == {"2"}
    assert [("tiny 2 " in text, "stamps 7" in text) for (text,) in broker.query(USED)] == [(True, True)]
    assert broker.query("SELECT DISTINCT classifier, reason FROM classifier_failures") == [("stamps", NO_STAMP)]


def _image(value: float, side: int = 9) -> bytes:
    import io

    file = io.BytesIO()
    fits.PrimaryHDU(np.full((side, side), value, np.float32)).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize("again", [None, reprocess_night])
def test_stamps_come_from_the_packets(
    broker: Any, packets: ModuleType, store: ClassifierStore, tmp_path: Path, again: Callable[..., Any] | None
) -> None:
    store.add(stamped(tmp_path / "stamped"))
    made = alerts(packets, visits=1)
    for number, alert in enumerate(made[:-1]):
        alert["cutoutScience"] = alert["cutoutDifference"] = _image(1.0 if number % 2 else -1.0)
    drained(broker, packets, made)
    if again is not None:
        broker.execute("UPDATE class_scores SET score = 0.5")
        for night in nights(broker):
            again(broker.database_url, night, surveys=SURVEYS, plan=broker.plan)
    scores = {row[0]: float(row[5]) for row in facts(broker) if row[2] == "stamps" and row[4] == "real"}
    positive, negative = 1.0 / (1.0 + np.exp(-1.0)), 1.0 / (1.0 + np.exp(1.0))
    assert scores == {
        alert["diaSource"]["diaObjectId"]: pytest.approx(positive if number % 2 else negative, abs=1e-4)
        for number, alert in enumerate(made[:-1])
    }
    lacking = "SELECT reason, alerts FROM classifier_failures AS failed JOIN ingest_batch_facts USING (ingestid, night)"
    assert broker.query(lacking + " WHERE asset = 'class_scores' AND replaced_by IS NULL") == [(NO_STAMP, 1)]
