"""Annotators: their settings, who may change them, and what they were before."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.annotations import annotators
from broker_assets.annotations.annotators import AnnotatorChange, BadAnnotator, TopicTaken
from broker_assets.annotations.content import InactiveAnnotator, NotTheOwner, UnknownAnnotator, annotation
from broker_assets.annotations.schemas import BadSchema
from broker_assets.annotations.sources import BadSource
from broker_assets.annotations.store import apply
from broker_assets.annotations.waiting import Item
from broker_assets.provenance.revisions import current_revision

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]


def test_an_annotator_is_added_changed_and_found_as_it_was(connection: Connection) -> None:
    added = annotators.add_annotator(
        connection, "fastfinder", "anna", schema='{"required": ["p"]}', url="https://example.org"
    )
    assert (added.owner, added.active, added.public, added.version) == ("anna", True, False, "0.1")
    assert added.reads.topics == ("anno_fastfinder",)
    before = current_revision(connection)
    annotators.change_annotator(connection, "fastfinder", AnnotatorChange(active=True), owner="anna")
    assert current_revision(connection) == before  # nothing changed
    annotators.change_annotator(
        connection, "fastfinder", AnnotatorChange(active=False, schema="", source={"kind": "none"}), owner="anna"
    )
    now = annotators.get(connection, "fastfinder")
    assert (now.active, now.schema, now.reads.topics, now.revision) == (False, None, (), before + 1)
    assert connection.execute(
        "SELECT revision_from, revision_to, active, schema FROM annotator_history ORDER BY revision_from"
    ).fetchall() == [(before, before + 1, True, {"required": ["p"]}), (before + 1, None, False, None)]
    assert annotators.listing(connection, active=True) == []


@pytest.mark.parametrize("topic", ["", "1st", "a-b", "a.b", "a" * 64, "select;", "ä"])
def test_a_topic_is_a_name_that_sql_can_have(connection: Connection, topic: str) -> None:
    with pytest.raises(BadAnnotator, match="cannot be the topic"):
        annotators.add_annotator(connection, topic, "anna")


def test_what_cannot_be_is_refused(annotated: Connection) -> None:
    with pytest.raises(TopicTaken, match="annotator fastfinder already"):
        annotators.add_annotator(annotated, "FastFinder", "otto")
    with pytest.raises(BadSchema):
        annotators.add_annotator(annotated, "other", "otto", schema="{")
    with pytest.raises(BadSource, match="there is no kind"):
        annotators.add_annotator(annotated, "other", "otto", source={"kind": "carrier pigeon"})
    with pytest.raises(BadAnnotator, match="owner"):
        annotators.add_annotator(annotated, "other", " ")
    with pytest.raises(NotTheOwner, match=r"otto does not own .* fastfinder"):
        annotators.change_annotator(annotated, "fastfinder", AnnotatorChange(public=False), owner="otto")
    with pytest.raises(UnknownAnnotator, match="nobody"):
        annotators.remove_annotator(annotated, "nobody")
    assert [found.topic for found in annotators.listing(annotated)] == ["fastfinder"]


def test_the_three_errors_of_lasair_are_distinct_and_name_the_topic(annotated: Connection) -> None:
    annotators.add_annotator(annotated, "asleep", "anna", active=False)
    with annotated.transaction():
        found = annotators.lock(annotated, ["asleep", "fastfinder", "nobody"])
    assert annotators.admitted(found, "fastfinder", owner="anna").topic == "fastfinder"
    with pytest.raises(UnknownAnnotator, match="nobody"):
        annotators.admitted(found, "nobody", owner="anna")
    with pytest.raises(NotTheOwner, match=r"otto.*fastfinder"):
        annotators.admitted(found, "fastfinder", owner="otto")
    with pytest.raises(InactiveAnnotator, match="asleep"):
        annotators.admitted(found, "asleep", owner="anna")


def test_a_removed_annotator_leaves_its_history(annotated: Connection) -> None:
    with annotated.transaction():
        said = annotation("fastfinder", {"objectId": 1, "classification": "SN"})
        assert apply(annotated, [Item(said)], 1).rows.num_rows == 1
    assert annotators.remove_annotator(annotated, "fastfinder", owner="anna") == 1
    assert annotated.execute("SELECT count(*) FROM annotations").fetchone() == (0,)
    assert annotated.execute("SELECT count(*) FROM annotation_due").fetchone() == (0,)
    [(start, end)] = annotated.execute("SELECT revision_from, revision_to FROM annotation_history").fetchall()
    assert start < end == current_revision(annotated)
    annotators.add_annotator(annotated, "fastfinder", "otto")  # the name is free again
    assert annotated.execute("SELECT count(*) FROM annotator_history").fetchone() == (2,)
