"""Classifiers as an enrichment of alerts: the scores of each alert as facts, the newest of each object as state.

Every active model runs once for a batch. An alert that a model cannot score is counted with the reason, is nevertheless
stored, and scored by the other models. A model that exceeds its time is stopped, and rests for a while: one that hangs
would otherwise cost every batch its time limit. The active versions are looked up for each batch, and again when it is
written: the stream computes a batch again if they have changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactInput, FactTable, Written
from broker_assets.classifiers.description import ClassifierError
from broker_assets.classifiers.inputs import AlertInputs
from broker_assets.classifiers.model import Model
from broker_assets.classifiers.state import register_classes, store_classes, store_failures
from broker_assets.classifiers.store import ClassifierStore, Stored, set_version
from broker_assets.classifiers.summary import describe_night
from broker_assets.database.tables import class_scores

ASSET: Final = "class_scores"
ACTIVE: Final = "active_classifiers"
SCORES_VERSION: Final = "1"
"""Increased whenever the same models give other scores for the same alerts."""

FEATURES: Final = "object_features"
"""Table of the features of each alert, which another enrichment computes."""

FAILURES: Final = "failures"
"""Name of the table, in `Computed`, of what was not scored."""

FIRST_REST, LONGEST_REST = 60.0, 3600.0
"""Seconds that a model rests after exceeding its time; doubled each time, until it keeps to it again."""
RESTS: Final = "it did not end in its time and rests for a while; later alerts are scored again"

logger = logging.getLogger(__name__)


@dataclass
class AlertScores:
    """Scores alerts with all active models.

    Parameters
    ----------
    folder : Path
        Folder of the classifiers.
    context : str, optional
        Table of another enrichment with the context of each alert.
    seconds : float
        Seconds that a model may take for a batch.
    clock : callable
        Seconds, increasing.
    """

    folder: Path
    context: str | None = None
    seconds: float = 20.0
    clock: Callable[[], float] = time.monotonic
    name: str = field(default="classifiers", init=False)
    version: str = field(default=SCORES_VERSION, init=False)
    _models: dict[tuple[str, str, str], Model | str] = field(default_factory=dict, init=False)
    _rests: dict[tuple[str, str, str], tuple[int, float]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables of earlier enrichments from which models may take columns."""
        return tuple(self._tables().values())

    @property
    def store(self) -> ClassifierStore:
        """The models."""
        return ClassifierStore(self.folder)

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """The table of scores."""
        active = FactInput(
            asset=ACTIVE,
            description="The active version of each classifier.",
            files="Models, each of which is a partition of `classifier`.",
            version=lambda: set_version(self.store.active()),
            describe=self._describe_active,
            parents=("classifier",),
        )
        description = "Scores of the classes of each active classifier for each alert, as it was when it arrived."
        return (FactTable(ASSET, class_scores, description, inputs=(active,), describe=describe_night),)

    def inputs(self) -> Mapping[str, str]:
        """Versions of the active models."""
        return {ACTIVE: set_version(self.store.active())}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Score the alerts of a batch."""
        active = self.store.active()
        tables = {name: earlier[table] for name, table in self._tables().items()}
        tables["object"] = batch.tables.get("object", _EMPTY)
        tables["source"] = _triggers(batch.tables.get("source", _EMPTY))
        inputs = AlertInputs(batch.alerts["packet"].to_numpy(), tables, batch.stamps)
        rows, failures = self._scored(active, batch.alerts, inputs)
        return Computed({ASSET: rows, FAILURES: failures}, batch.revision or 0, {ACTIVE: set_version(active)})

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Write the scores of alerts that were stored, the state of their objects, and the failures.

        Returns
        -------
        dict of str to pyarrow.Table
            Facts that were written, by asset.
        """
        rows, failures = computed.tables[ASSET], computed.tables[FAILURES]
        rows = _of_packets(rows, written.stored)
        connection = written.connection
        register_classes(connection, self.store, rows)
        facts_ = rows.drop_columns(["packet"])
        facts.insert(connection, self.facts[0], facts_, written.ingestid)
        live = written.as_of is None
        now = _of_packets(rows, written.newest) if live else rows
        store_classes(connection, now.drop_columns(["packet"]), written.ingestid, all_newest=live)
        store_failures(connection, _of_packets(failures, written.stored), written.ingestid)
        return {ASSET: facts_}

    def _tables(self) -> dict[str, str]:
        """Tables of enrichments by their names in descriptions."""
        return {"features": FEATURES, **({"context": self.context} if self.context else {})}

    def _scored(self, active: Iterable[Stored], alerts: pa.Table, inputs: AlertInputs) -> tuple[pa.Table, pa.Table]:
        rows, failures = [_NO_ROWS], [_NO_FAILURES]
        for stored in active:
            model = self._model(stored)
            if isinstance(model, str):
                failures.append(_failures(alerts, stored, np.zeros(len(alerts), np.int64), (model,)))
                continue
            if self._resting(stored):
                failures.append(_failures(alerts, stored, np.zeros(len(alerts), np.int64), (RESTS,)))
                continue
            scores = model.scores(inputs, seconds=self.seconds)
            self._remember(stored, overtime=scores.overtime)
            good = np.flatnonzero(scores.failed < 0)
            rows.append(_rows(alerts, stored, model.description.classes, good, scores.values[good]))
            failures.append(_failures(alerts, stored, scores.failed, scores.reasons))
            if len(good) < len(alerts):
                known = {scores.reasons[place] for place in np.unique(scores.failed[scores.failed >= 0])}
                logger.warning(
                    "%s %s gives no scores for %d of %d alerts: %s",
                    stored.name, stored.version, len(alerts) - len(good), len(alerts), "; ".join(sorted(known)),
                )  # fmt: skip
        return pa.concat_tables(rows), pa.concat_tables(failures)

    def _resting(self, stored: Stored) -> bool:
        with self._lock:
            return self.clock() < self._rests.get(_key(stored), (0, 0.0))[1]

    def _remember(self, stored: Stored, *, overtime: bool) -> None:
        """Let a model rest if it exceeded its time."""
        with self._lock:
            if overtime:
                times = self._rests.get(_key(stored), (0, 0.0))[0] + 1
                rest = min(FIRST_REST * 2.0 ** (times - 1), LONGEST_REST)
                self._rests[_key(stored)] = (times, self.clock() + rest)
                logger.warning("%s %s did not end in %g s and rests for %.0f s", stored.name, stored.version,
                               self.seconds, rest)  # fmt: skip
            else:
                self._rests.pop(_key(stored), None)

    def _model(self, stored: Stored) -> Model | str:
        """The loaded model, or why it cannot be loaded."""
        key = _key(stored)
        with self._lock:
            if key not in self._models:
                for other in [item for item in self._models if item[0] == stored.name]:
                    del self._models[other]
                try:
                    self._models[key] = stored.load()
                except ClassifierError as error:
                    logger.warning("%s %s cannot be used: %s", stored.name, stored.version, error)
                    self._models[key] = str(error)
            return self._models[key]

    def _describe_active(self) -> dict[str, Any]:
        return {
            "classifiers": {
                item.name: {
                    "version": item.version,
                    "SHA-256": item.sha256,
                    "bytes": item.bytes,
                    "from": item.source,
                    "classes": ", ".join(item.description().classes),
                }
                for item in self.store.active()
            }
        }


def _key(stored: Stored) -> tuple[str, str, str]:
    return stored.name, stored.version, stored.sha256


_KEYS: Final = ["packet", "diaobjectid", "diasourceid", "night"]
_EMPTY: Final = pa.table({"packet": pa.array([], pa.int32())})
_NO_ROWS: Final = pa.schema(
    [
        ("packet", pa.int64()), ("diaobjectid", pa.int64()), ("diasourceid", pa.int64()), ("night", pa.date32()),
        ("classifier", pa.string()), ("version", pa.string()), ("class", pa.string()), ("score", pa.float32()),
    ]
).empty_table()  # fmt: skip
_NO_FAILURES: Final = pa.schema(
    [
        ("packet", pa.int64()), ("night", pa.date32()), ("classifier", pa.string()), ("version", pa.string()),
        ("reason", pa.string()),
    ]
).empty_table()  # fmt: skip


def _triggers(sources: pa.Table) -> pa.Table:
    """The sources of a batch that triggered its packets."""
    return sources.filter(sources["trigger"]) if "trigger" in sources.column_names else sources


def _rows(
    alerts: pa.Table, stored: Stored, classes: Sequence[str], good: NDArray[np.int64], values: NDArray[np.float32]
) -> pa.Table:
    """A row for each alert and class."""
    number = len(classes)
    keys = alerts.select(_KEYS).take(pa.array(np.repeat(good, number)))
    return pa.Table.from_arrays(
        [
            *(keys[name] for name in _KEYS),
            pa.repeat(stored.name, len(keys)),
            pa.repeat(stored.version, len(keys)),
            pa.array(list(classes), pa.string()).take(pa.array(np.tile(np.arange(number), len(good)))),
            pa.array(values.ravel()),
        ],
        schema=_NO_ROWS.schema,
    )


def _failures(alerts: pa.Table, stored: Stored, failed: NDArray[np.int64], reasons: Sequence[str]) -> pa.Table:
    """A row for each alert for which a model has no scores."""
    rows = np.flatnonzero(failed >= 0)
    if not len(rows):
        return _NO_FAILURES
    keys = alerts.select(["packet", "night"]).take(pa.array(rows))
    return pa.Table.from_arrays(
        [
            *keys.columns,
            pa.repeat(stored.name, len(rows)),
            pa.repeat(stored.version, len(rows)),
            pa.array(list(reasons), pa.string()).take(pa.array(failed[rows])),
        ],
        schema=_NO_FAILURES.schema,
    )


def _of_packets(rows: pa.Table, packets: NDArray[np.int64]) -> pa.Table:
    chosen = np.isin(rows["packet"].to_numpy(), packets)
    return rows if chosen.all() else rows.filter(pa.array(chosen))
