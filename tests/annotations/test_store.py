"""Annotations: the newest by arrival, every one that there was, and what waits for its object."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, remove_annotator
from broker_assets.annotations.content import (
    BadAnnotation,
    InactiveAnnotator,
    NotTheOwner,
    UnknownAnnotator,
    UnknownObject,
    annotation,
)
from broker_assets.annotations.store import Applied, apply, due, release, take_due
from broker_assets.annotations.waiting import AnnotationMessage, Item
from broker_assets.database import engine
from broker_assets.provenance.revisions import current_revision, next_revision

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


def item(number: int, said: str, topic: str = "fastfinder", *, offset: int | None = None, **more: Any) -> Item:
    message = None if offset is None else AnnotationMessage("stream", 0, offset, None, b"key", said.encode())
    received = more.pop("received", None)
    return Item(annotation(topic, {"objectId": number, "classification": said, **more}), message, received)


def written(connection: Connection, items: list[Item], ingestid: int = 1, **options: Any) -> Applied:
    with connection.transaction():
        return apply(connection, items, ingestid, **options)


def now(connection: Connection) -> dict[tuple[int, str], str]:
    rows = connection.execute("SELECT diaobjectid, topic, classification FROM annotations")
    return {(number, topic): said for number, topic, said in rows}


def test_the_newest_by_arrival_is_in_force_and_the_others_are_kept(annotated: Connection) -> None:
    first = written(annotated, [item(1, "SN"), item(2, "AGN")])
    assert first.outcomes == ["stored", "stored"]
    assert first.rows.column_names == ["annotationid", "diaobjectid", "topic", "content"]
    between = current_revision(annotated)
    again = written(annotated, [item(1, "SN"), item(2, "SN"), item(2, "SN")], 2)
    assert (again.outcomes, again.rows.num_rows) == (["known", "stored", "known"], 1)
    assert current_revision(annotated) == between + 1
    nothing = written(annotated, [item(1, "SN")], 3)
    assert (nothing.outcomes, nothing.rows.num_rows, current_revision(annotated)) == (["known"], 0, between + 1)
    assert now(annotated) == {(1, "fastfinder"): "SN", (2, "fastfinder"): "SN"}
    # As of any number there is one annotation of each object and annotator.
    for number, expected in ((between, {1: "SN", 2: "AGN"}), (between + 1, {1: "SN", 2: "SN"})):
        rows = annotated.execute(
            "SELECT diaobjectid, classification FROM annotation_history WHERE revision_from <= %s"
            " AND (revision_to IS NULL OR %s < revision_to)",
            (number, number),
        ).fetchall()
        assert dict(rows) == expected


def test_several_of_one_batch_follow_one_another(annotated: Connection) -> None:
    applied = written(annotated, [item(1, "A"), item(1, "B"), item(1, "A", explanation="sure")])
    assert (applied.outcomes, applied.rows.num_rows) == (["stored"] * 3, 1)
    assert annotated.execute(
        "SELECT classification, explanation, revision_to IS NULL FROM annotation_history ORDER BY annotationid"
    ).fetchall() == [("A", "", False), ("B", "", False), ("A", "sure", True)]
    [(identifier, explanation)] = annotated.execute("SELECT annotationid, explanation FROM annotations").fetchall()
    assert (identifier, explanation) == (applied.rows["annotationid"][0].as_py(), "sure")


def test_refused_ones_change_nothing_and_the_others_are_written(annotated: Connection) -> None:
    add_annotator(annotated, "strict", "anna", schema='{"required": ["p"]}')
    add_annotator(annotated, "asleep", "anna", active=False)
    applied = written(
        annotated,
        [item(1, "SN"), item(1, "SN", "nobody"), item(1, "SN", "asleep"), item(1, "SN", "strict"), item(77, "SN"),
         item(1, "SN", "strict", classdict={"p": 1})],
        owner="anna",
    )  # fmt: skip
    kinds = [type(outcome) for outcome in applied.outcomes]
    assert kinds == [str, UnknownAnnotator, InactiveAnnotator, BadAnnotation, UnknownObject, str]
    assert len(applied.refused) == 4
    assert now(annotated) == {(1, "fastfinder"): "SN", (1, "strict"): "SN"}
    [refused] = written(annotated, [item(1, "AGN")], owner="otto").refused
    assert isinstance(refused, NotTheOwner)
    assert now(annotated)[1, "fastfinder"] == "SN"


def test_messages_wait_for_their_object_and_keep_their_order(annotated: Connection) -> None:
    assert written(annotated, [item(70, "early", offset=5)]).outcomes == ["waiting"]
    assert written(annotated, [item(70, "later", offset=6), item(71, "only", offset=7)]).outcomes == ["waiting"] * 2
    assert now(annotated) == {}
    with annotated.transaction():
        annotated.execute("INSERT INTO objects (diaobjectid, survey) VALUES (70, 1), (71, 1)")
    # A newer one comes before the waiting ones are released: it is the newest.
    assert written(annotated, [item(70, "newest", offset=8)], 2).outcomes == ["stored"]
    assert now(annotated) == {(70, "fastfinder"): "newest"}
    assert annotated.execute(
        'SELECT classification, "offset" FROM annotation_history ORDER BY annotationid'
    ).fetchall() == [("early", 5), ("later", 6), ("newest", 8)]
    with annotated.transaction():
        released = release(annotated, 3, limit=10)
    assert (released.outcomes, now(annotated)[71, "fastfinder"]) == (["stored"], "only")
    with annotated.transaction():
        assert release(annotated, 4, limit=10).outcomes == []
    assert annotated.execute("SELECT count(*) FROM annotation_waiting").fetchone() == (0,)


def test_what_is_no_message_does_not_wait_and_not_too_many_do(annotated: Connection) -> None:
    assert isinstance(written(annotated, [item(70, "function")]).outcomes[0], UnknownObject)
    assert isinstance(written(annotated, [item(70, "x", offset=1)], hold=False).outcomes[0], UnknownObject)
    applied = written(annotated, [item(70 + n, "x", offset=n) for n in range(4)], most_waiting=3)
    assert applied.count("waiting") == 3
    assert "3 annotations of fastfinder wait" in str(applied.refused[0])


def test_what_a_removed_annotator_said_is_not_released(annotated: Connection) -> None:
    written(annotated, [item(70, "early", offset=5)])
    remove_annotator(annotated, "fastfinder")
    with annotated.transaction():
        annotated.execute("INSERT INTO objects (diaobjectid, survey) VALUES (70, 1)")
    with annotated.transaction():
        assert release(annotated, 2, limit=10).outcomes == []
    assert now(annotated) == {}
    assert annotated.execute("SELECT count(*) FROM annotation_waiting").fetchone() == (1,)


def test_a_retried_one_does_not_replace_a_newer_one(annotated: Connection) -> None:
    arrived = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    written(annotated, [item(1, "newer")])
    applied = written(annotated, [item(1, "older", received=arrived), item(2, "alone", received=arrived)], 2)
    assert (applied.outcomes, applied.rows.num_rows) == (["stored", "stored"], 1)
    assert now(annotated) == {(1, "fastfinder"): "newer", (2, "fastfinder"): "alone"}
    assert annotated.execute(
        "SELECT classification FROM annotation_history WHERE diaobjectid = 1 AND revision_to IS NULL"
    ).fetchall() == [("newer",)]
    written(annotated, [item(2, "next")], 3)
    assert now(annotated)[2, "fastfinder"] == "next"


def test_due_are_the_newest_only_each_once_and_by_batch(annotated: Connection) -> None:
    written(annotated, [item(1, "a"), item(2, "a"), item(3, "a")], 5)
    written(annotated, [item(1, "b"), item(4, "a")], 6)
    with annotated.transaction():
        found = take_due(annotated, due(annotated, limit=3))
    assert {batch: rows["diaobjectid"].to_pylist() for batch, rows in found.items()} == {5: [2, 3], 6: [1]}
    with annotated.transaction():
        assert take_due(annotated, due(annotated, limit=10))[6]["diaobjectid"].to_pylist() == [4]
        assert due(annotated, limit=10) == []


def test_an_annotator_that_is_being_changed_is_waited_for(annotated: Connection, database_url: str) -> None:
    annotated.rollback()
    with engine.connect(database_url, autocommit=True) as other:
        other.execute("SET lock_timeout = '100ms'")
        with annotated.transaction():
            change_annotator(annotated, "fastfinder", AnnotatorChange(active=False))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                written(other, [item(1, "SN")])
        assert isinstance(written(other, [item(1, "SN")]).outcomes[0], InactiveAnnotator)


arrivals = st.lists(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ABC")), min_size=1, max_size=5), min_size=1, max_size=6
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals)
def test_any_sequence_of_batches_gives_the_history_of_its_contents(
    annotated: Connection, batches: list[list[tuple[int, str]]]
) -> None:
    with annotated.transaction(force_rollback=True):
        start = next_revision(annotated)
        expected: dict[int, list[str]] = {}
        states: list[tuple[int, dict[int, str]]] = []
        for number, batch in enumerate(batches):
            apply(annotated, [item(identifier, said) for identifier, said in batch], number + 10)
            for identifier, said in batch:
                history = expected.setdefault(identifier, [])
                if not history or history[-1] != said:
                    history.append(said)
            states.append((current_revision(annotated), {key: values[-1] for key, values in expected.items()}))
        found: dict[int, list[str]] = {}
        for identifier, said in annotated.execute(
            "SELECT diaobjectid, classification FROM annotation_history ORDER BY annotationid"
        ):
            found.setdefault(identifier, []).append(said)
        assert found == expected
        for revision, state in states:
            rows = annotated.execute(
                "SELECT diaobjectid, classification FROM annotation_history"
                " WHERE revision_from <= %s AND (revision_to IS NULL OR %s < revision_to)",
                (revision, revision),
            ).fetchall()
            assert dict(rows) == state
            assert len(rows) == len(state)
        assert states[0][0] > start
        due_now = annotated.execute("SELECT annotationid FROM annotation_due ORDER BY 1").fetchall()
        assert due_now == annotated.execute("SELECT annotationid FROM annotations ORDER BY 1").fetchall()
