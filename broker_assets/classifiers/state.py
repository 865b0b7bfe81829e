"""The current scores of objects, the classes of the scores, and the record of what could not be scored."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.accounting import facts
from broker_assets.classifiers.description import ClassifierError
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.database import copy
from broker_assets.database.number_arrays import array_text, distinct
from broker_assets.database.tables import object_classes


def store_classes(
    connection: psycopg.Connection[Any], rows: pa.Table, ingestid: int, *, all_newest: bool = False
) -> None:
    """Give objects the scores of their newest alert, within the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    rows : pyarrow.Table
        Scores of alerts; ignored for alerts that are not the newest stored ones of their objects.
    ingestid : int
        The batch.
    all_newest : bool
        Whether all are known to be the newest of their objects, and the objects are locked.
    """
    if not all_newest:
        rows = _of_newest_alerts(connection, rows)
    if not rows.num_rows:
        return
    numbered = rows.append_column("ingestid", pa.repeat(pa.scalar(ingestid, pa.int64()), rows.num_rows))
    with connection.cursor() as cursor:
        for name in rows["classifier"].unique().to_pylist():
            of_model = numbered.filter(pc.equal(numbered["classifier"], name))
            # Another version of the model may have other classes.
            cursor.execute(
                "DELETE FROM object_classes WHERE classifier = %s AND diaobjectid = ANY(%s)",
                (name, of_model["diaobjectid"].unique().to_pylist()),
            )
            copy.load(cursor, object_classes, of_model)


def _of_newest_alerts(connection: psycopg.Connection[Any], rows: pa.Table) -> pa.Table:
    """The rows of alerts that are the newest stored ones of their objects; locks the objects in the order of ids."""
    objects = rows["diaobjectid"].to_numpy()
    found = connection.execute(
        "SELECT diaobjectid, broughtby FROM objects WHERE diaobjectid = ANY(%s::bigint[]) AND broughtby IS NOT NULL"
        " ORDER BY diaobjectid FOR UPDATE",
        (array_text(distinct(objects)),),
    ).fetchall()
    if not found:
        return rows.slice(0, 0)
    known, newest = np.array(found, np.int64).T
    place = np.minimum(np.searchsorted(known, objects), len(known) - 1)
    kept = (known[place] == objects) & (newest[place] == rows["diasourceid"].to_numpy())
    return rows.filter(pa.array(kept))


def register_classes(connection: psycopg.Connection[Any], store: ClassifierStore, rows: pa.Table) -> None:
    """Record the meaning of the classes of the models in `rows`, if it is not recorded yet."""
    if not rows.num_rows:
        return
    known = {
        (name, version)
        for name, version in connection.execute("SELECT DISTINCT classifier, version FROM classifier_classes")
    }
    used = rows.group_by(["classifier", "version"]).aggregate([]).to_pylist()
    new = []
    for key in ((item["classifier"], item["version"]) for item in used):
        # A version that has just been removed leaves scores without meanings.
        with contextlib.suppress(ClassifierError):
            if key not in known:
                new.append(store.get(*key))
    entries = [
        (stored.name, stored.version, name, meaning, place, output.sum_to_one, stored.sha256)
        for stored in new
        for place, output in enumerate(stored.description().outputs)
        for name, meaning in output.classes.items()
    ]
    if entries:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO classifier_classes (classifier, version, class, meaning, output, sumtoone, sha256)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                sorted(entries),
            )


def store_failures(connection: psycopg.Connection[Any], failures: pa.Table, ingestid: int) -> None:
    """Add to the record of what was not scored; `failures` has a row for each alert and model."""
    if not failures.num_rows:
        return
    keys = ["night", "classifier", "version", "reason"]
    counted = failures.group_by(keys, use_threads=False).aggregate([([], "count_all")])
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO classifier_failures (ingestid, night, classifier, version, reason, alerts)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (ingestid, night, classifier, version, reason)"
            " DO UPDATE SET alerts = classifier_failures.alerts + excluded.alerts",
            sorted((ingestid, *(row[name] for name in keys), row["count_all"]) for row in counted.to_pylist()),
        )


def prune(connection: psycopg.Connection[Any], *, before: str, present: Sequence[str]) -> dict[str, int]:
    """Delete scores of old nights with their rows in provenance and ledger, and the state of removed classifiers.

    Parameters
    ----------
    connection : psycopg.Connection
        In the caller's transaction.
    before : str
        First night that is kept, `YYYY-MM-DD`.
    present : sequence of str
        Names of the classifiers that exist.

    Returns
    -------
    dict of str to int
        Rows deleted, by table.
    """
    counts = {
        "class_scores": facts.prune(connection, "class_scores", before=before),
        "classifier_failures": connection.execute(
            "DELETE FROM classifier_failures WHERE night < %s::date", (before,)
        ).rowcount,
        "object_classes": connection.execute(
            "DELETE FROM object_classes WHERE classifier <> ALL(%s)", (list(present),)
        ).rowcount,
    }
    return counts


def failures_of(connection: psycopg.Connection[Any], night: str) -> list[tuple[str, str, str, int]]:
    """What could not be scored in a night by the batches whose facts are in force.

    Returns
    -------
    list of (classifier, version, reason, alerts)
    """
    return [
        (str(name), str(version), str(reason), int(np.int64(alerts)))
        for name, version, reason, alerts in connection.execute(
            "SELECT failed.classifier, failed.version, failed.reason, sum(failed.alerts)"
            " FROM classifier_failures AS failed JOIN ingest_batch_facts AS booked USING (ingestid, night)"
            " WHERE booked.asset = 'class_scores' AND booked.replaced_by IS NULL AND night = %s"
            " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
            (night,),
        )
    ]
