"""What follows annotations: filters run, and held annotations are released or given up; also writes those of the API.

Filters run in a transaction of their own, after the annotations are committed and after the alert batches that were in
progress have ended. A batch that began before the commit does not see the annotation, and a filter in the same
transaction would not see the batch: an object and its annotation could miss each other. The table `annotation_due`
records what is left to do, whatever happens to the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import pyarrow as pa

from broker_assets.accounting import ledger, quarantine
from broker_assets.annotations import store, waiting
from broker_assets.annotations.annotators import admitted, lock
from broker_assets.annotations.content import AnnotationRefused, BadAnnotation, annotation
from broker_assets.annotations.store import Applied, Outcome
from broker_assets.annotations.waiting import Item
from broker_assets.provenance.revisions import BatchesDoNotEnd, wait_for_batches
from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import object_named
from broker_assets.stream.annotations import ANNOTATIONS_VERSION

logger = logging.getLogger(__name__)

FUNCTION_STREAM: Final = "annotations"
"""Name in the ledger for batches of annotations that were not just read from Kafka."""
AT_A_TIME: Final = 2000
"""Most annotations that are released or given up in one transaction."""
FILTERED_AT_A_TIME: Final = 1000
"""Most annotations for which filters run in one transaction: a filter gets that many objects at once."""
WAIT_SECONDS: Final = 60.0
"""Longest wait for batches of alerts, seconds; filters that could not run are left to the next run."""

Triggered = Callable[[psycopg.Connection[Any], int, pa.Table], int]
"""Runs the filters triggered by the annotators of new annotations, in the caller's transaction; returns the number of
matches. Arguments: connection, `ingestid` of the annotations' batch, annotations (see `annotations.store.APPLIED`)."""


@dataclass
class Written:
    """Effect of annotations passed to a function."""

    ingestid: int
    outcomes: list[Outcome] = field(default_factory=list)
    """Outcomes of the annotations before the first that was refused."""
    refusal: AnnotationRefused | None = None
    """Why that one was refused; its index is `len(outcomes)`."""


def annotate(connection: psycopg.Connection[Any], owner: str | None, said: Sequence[Mapping[str, Any]]) -> Written:
    """Write annotations for a user: the function behind the API and the command.

    As in Lasair's API, it stops at the first annotation that is refused; those before it are written.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner : str or None
        Account that annotates; None for an operator.
    said : sequence of mapping
        Each with `topic`, `diaObjectId` (or `objectId`), `classification`, and the other fields that
        `annotations.content.annotation` accepts.

    Returns
    -------
    Written
        What was written; filters follow within seconds, in the run that the sensor `annotations` starts.
    """
    with connection.transaction():
        ingestid = _open(connection, None)
        written = Written(ingestid)
        found = lock(connection, sorted({str(one.get("topic")) for one in said}))
        items: list[Item] = []
        try:
            for one in said:
                if not one.get("topic"):
                    raise BadAnnotation("topic is missing: the annotator")
                annotator = admitted(found, str(one["topic"]), owner=owner)
                items.append(Item(annotation(annotator.topic, one, version=annotator.version, named=object_named)))
        except AnnotationRefused as refusal:
            written.refusal = refusal
        # Only annotations before the first refusal; most lists have none, and are written at once.
        applied = Applied()
        with connection.transaction() as attempt:
            applied = store.apply(connection, items, ingestid, owner=owner)
            if applied.refused:
                raise psycopg.Rollback(attempt)
        if applied.refused:
            first = next(n for n, outcome in enumerate(applied.outcomes) if isinstance(outcome, AnnotationRefused))
            written.refusal = applied.refused[0]
            applied = store.apply(connection, items[:first], ingestid, owner=owner)
        written.outcomes = [outcome for outcome in applied.outcomes if not isinstance(outcome, AnnotationRefused)]
        _close(connection, ingestid, applied)
    return written


def settle(
    connection: psycopg.Connection[Any], settings: AnnotationSettings, *, run_id: str | None = None
) -> tuple[int, int]:
    """Apply annotations whose objects have arrived, and give up those that have waited too long for theirs.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction.
    settings : AnnotationSettings
        Settings with the longest wait.
    run_id : str, optional
        Goes into the ledger.

    Returns
    -------
    released, given_up : int
        Numbers of annotations; those given up are in quarantine with their bytes.
    """
    released = given_up = 0
    while waiting.ready_topics(connection):
        with connection.transaction():
            ingestid = _open(connection, run_id)
            applied = store.release(connection, ingestid, limit=AT_A_TIME)
            _close(connection, ingestid, applied)
        released += len(applied.outcomes)
        if len(applied.outcomes) < AT_A_TIME:
            break
    while waiting.expired(connection, hours=settings.wait_hours):
        with connection.transaction():
            ingestid = _open(connection, run_id)
            items = waiting.take_expired(connection, hours=settings.wait_hours, limit=AT_A_TIME)
            # A message with several annotations waits for each of its objects, and is quarantined once.
            messages = {(m.stream, m.partition, m.offset): (m, i.annotation) for i in items if (m := i.message)}
            quarantine.add(
                connection,
                ingestid,
                [
                    quarantine.QuarantinedMessage(
                        topic=message.stream, partition=message.partition, offset=message.offset,
                        kafka_timestamp=message.time, key=message.key, payload=message.payload,
                        reason=f"no alert has brought the object {said.diaobjectid} within {settings.wait_hours:g} h",
                    )
                    for message, said in messages.values()
                ],
            )  # fmt: skip
            count = len(messages)
            ledger.close_batch(
                connection, ingestid, ledger.BatchEntry(received=count, stored=0, duplicate=0, quarantined=count)
            )
        given_up += count
        if len(items) < AT_A_TIME:
            break
    return released, given_up


def run_filters(connection: psycopg.Connection[Any], triggered: Triggered | None) -> int:
    """Run the filters that ask for new annotations.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction.
    triggered : callable or None
        Function that runs them; None if there are no filters.

    Returns
    -------
    int Number of matches.
    """
    matches = 0
    while numbers := store.due(connection, limit=FILTERED_AT_A_TIME):
        if triggered is not None:
            try:
                wait_for_batches(connection, seconds=WAIT_SECONDS)
            except BatchesDoNotEnd as error:
                logger.warning("filters of %d annotations are left to the next run: %s", len(numbers), error)
                return matches
        with connection.transaction():
            for ingestid, rows in sorted(store.take_due(connection, numbers).items()):
                if triggered is not None:
                    matches += triggered(connection, ingestid, rows)
        if len(numbers) < FILTERED_AT_A_TIME:
            break
    return matches


def _open(connection: psycopg.Connection[Any], run_id: str | None) -> int:
    return ledger.open_batch(
        connection, topic=FUNCTION_STREAM, kind="annotation", code_version=ANNOTATIONS_VERSION, run_id=run_id
    )


def _close(connection: psycopg.Connection[Any], ingestid: int, applied: Applied) -> None:
    ledger.close_batch(
        connection,
        ingestid,
        ledger.BatchEntry(
            received=applied.count("stored") + applied.count("known"),
            stored=applied.count("stored"),
            duplicate=applied.count("known"),
            quarantined=0,
        ),
    )
