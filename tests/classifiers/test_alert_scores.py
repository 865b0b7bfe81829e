"""The enrichment by itself; with database and stream it is tested in `stream/test_class_scores.py`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tiny_classifiers import CLASSES, description, linear, looping, tiny, weights, write_model

from broker_assets.accounting.facts import AlertBatch
from broker_assets.classifiers.alert_scores import ACTIVE, ASSET, FAILURES, FIRST_REST, RESTS, AlertScores
from broker_assets.classifiers.store import ClassifierStore

NOTHING: Any = None
"""A connection that is not used."""
FEATURES = pa.table({"packet": pa.array([2, 5], pa.int64()), "ngsources": [1, 2], "nposdiasources": [3, None]})


def batch() -> AlertBatch:
    alerts = pa.table(
        {
            "packet": pa.array([2, 5], pa.int64()), "diaobjectid": [7, 8], "diasourceid": [70, 80],
            "night": pa.array([20000, 20001], pa.date32()),
        }
    )  # fmt: skip
    source = pa.table(
        {"packet": pa.array([2, 2, 5], pa.int32()), "trigger": [False, True, True], "psfflux": [9.0, 1.0, -1.0]}
    )
    return AlertBatch(alerts, {"source": source}, NOTHING)


def test_a_row_for_each_alert_and_class(tmp_path: Path) -> None:
    stored = ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "tiny"))
    scores = AlertScores(tmp_path / "store")
    computed = scores.compute(batch(), {"object_features": FEATURES})
    rows = computed.tables[ASSET].to_pylist()
    assert [(row["packet"], row["diasourceid"], row["class"]) for row in rows] == [
        (packet, source, name) for packet, source in ((2, 70), (5, 80)) for name in CLASSES
    ]
    assert {(row["classifier"], row["version"]) for row in rows} == {("tiny", "1")}
    assert computed.inputs == scores.inputs() == {ACTIVE: f"tiny 1 ({stored.sha256[:8]})"}
    assert computed.tables[FAILURES].num_rows == 0


def test_an_empty_batch_and_an_empty_store(tmp_path: Path) -> None:
    whole = batch()
    scores = AlertScores(tmp_path / "store")
    assert scores.compute(whole, {"object_features": FEATURES}).tables[ASSET].num_rows == 0
    assert scores.inputs() == {ACTIVE: "none"}
    ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "tiny"))
    none = AlertBatch(whole.alerts.slice(0, 0), {}, NOTHING)
    assert scores.compute(none, {"object_features": FEATURES}).tables[ASSET].num_rows == 0


def test_the_specification_names_the_models(tmp_path: Path) -> None:
    scores = AlertScores(tmp_path / "store")
    assert scores.reads == ("object_features",)
    assert AlertScores(tmp_path / "store", context="context_matches").reads == ("object_features", "context_matches")
    ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "tiny"))
    [table] = scores.facts
    [active] = table.inputs
    assert (active.asset, active.parents) == (ACTIVE, ("classifier",))
    assert active.version() == scores.inputs()[ACTIVE]
    shown = active.describe()["classifiers"]["tiny"]
    assert (shown["version"], shown["classes"]) == ("1", "bright, faint, red")


def test_the_context_of_alerts(tmp_path: Path) -> None:
    columns = [
        {"column": "context.classification", "categories": ["SN", "VS"], "fill": -1},
        {"column": "context.z", "fill": 0},
        *[{"column": "features.ngsources", "fill": 0}] * 2,
    ]
    about = description(inputs=[{"name": "x", "columns": columns}])
    ClassifierStore(tmp_path / "store").add(write_model(tmp_path / "near", linear(), about))
    scores = AlertScores(tmp_path / "store", "context_matches")
    near = pa.table({"packet": pa.array([5], pa.int64()), "classification": ["VS"], "z": pa.array([0.5], pa.float32())})
    rows = scores.compute(batch(), {"object_features": FEATURES, "context_matches": near}).tables[ASSET]
    found = rows["score"].to_numpy().reshape(2, 3)
    given = np.array([[-1, 0, 1, 1], [1, 0.5, 2, 2]])
    expected = np.exp(np.tanh(given) @ (weights(4, 3) * 100.0))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)


def test_a_model_that_hangs_is_ended_rests_and_is_tried_again(tmp_path: Path) -> None:
    store = ClassifierStore(tmp_path / "store")
    store.add(tiny(tmp_path / "tiny"))
    about = description(
        name="loop",
        inputs=[{"name": "x", "columns": [{"column": "features.ngsources", "fill": 0}]}],
        outputs=[{"name": "p", "classes": {"any": "of all"}}],
    )
    store.add(write_model(tmp_path / "loop", looping(), about))
    now = [0.0]
    scores = AlertScores(tmp_path / "store", seconds=0.5, clock=lambda: now[0])

    def compute(rounds: int) -> tuple[set[str], set[str], float]:
        features = pa.table({"packet": pa.array([2, 5], pa.int64()), "ngsources": [1, rounds]})
        began = time.monotonic()
        computed = scores.compute(batch(), {"object_features": features})
        found, failed = computed.tables[ASSET], computed.tables[FAILURES]
        assert failed.num_rows in (0, 2)
        return set(found["classifier"].to_pylist()), set(failed["reason"].to_pylist()), time.monotonic() - began

    assert compute(3)[:2] == ({"loop", "tiny"}, set())
    scored, reasons, seconds = compute(2**30)
    assert (scored, reasons) == ({"tiny"}, {"the model did not end within 0.5 s (BROKER_CLASSIFIERS__SECONDS)"})
    assert 0.4 < seconds < 20
    # it rests, whatever the alerts are, longer the second time, and is as before once it ends in time
    assert compute(2**30)[:2] == compute(3)[:2] == ({"tiny"}, {RESTS})
    now[0] += FIRST_REST + 1
    assert RESTS not in compute(2**30)[1]
    now[0] += FIRST_REST + 1
    assert compute(3)[1] == {RESTS}
    now[0] += FIRST_REST
    assert compute(3)[:2] == ({"loop", "tiny"}, set())
