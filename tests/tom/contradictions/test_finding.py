"""Contradictions between a broker, TNS, an annotator, context and a classifier of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.provenance.revisions import current_revision
from broker_assets.tns.refresh import tns_watchlist
from broker_assets.tom.contradictions.finding import Found, find, only_by
from broker_assets.tom.contradictions.opinions import only_kept
from broker_assets.tom.contradictions.rule import Rule
from broker_assets.tom.taxonomy.stored import in_force

pytestmark = pytest.mark.database


class Said:
    """Statements about objects."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.rule = Rule.read(in_force(connection, "elasticc2")[1])
        for number in range(1, 7):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, -5, false)", (number,)
            )
        connection.execute(
            "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, brokerversion, classifiername)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 'Fink', '1', 'SN')"
        )
        connection.execute(
            "INSERT INTO annotators (topic, owner, public, active, revision)"
            " VALUES ('open', 'bob', true, true, 1), ('secret', 'bob', false, true, 1)"
        )

    def broker(self, number: int, classid: int, probability: float = 0.9) -> None:
        self.connection.execute(
            "INSERT INTO elasticc2_diaobjectclassification (diaobject_id, classifier_id, latestclass1id,"
            " latestclass1prob) VALUES (%(id)s, 1, %(class)s, %(p)s) ON CONFLICT (diaobject_id, classifier_id)"
            " DO UPDATE SET latestclass1id = %(class)s, latestclass1prob = %(p)s",
            {"id": number, "class": classid, "p": probability},
        )

    def tns(self, number: int, text: str) -> None:
        mirror, name = tns_watchlist(self.connection), f"2026{number}"
        self.connection.execute(
            "INSERT INTO crossmatch_tns (tns_name, type, ra, decl, htm16) VALUES (%s, %s, 10, -5, 0)", (name, text)
        )
        self.connection.execute(
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name) VALUES (%s, %s, %s, 0.1, %s)",
            (number, number, mirror, name),
        )

    def annotator(self, number: int, text: str, topic: str = "open") -> None:
        self.connection.execute(
            "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, classdict, content, revision,"
            " ingestid) VALUES (%(id)s, %(id)s, %(topic)s, %(text)s, '{}', 'x', 1, 1)",
            {"id": number, "topic": topic, "text": text},
        )

    def find(self) -> Found:
        return find(self.connection, self.rule)

    def pairs(self, where: str = "contradictions") -> list[tuple[Any, ...]]:
        return self.connection.execute(
            f"SELECT diaobjectid, source, said, othersource, othersaid FROM {where} ORDER BY 1, 2, 4"
        ).fetchall()


@pytest.fixture
def said(database_url: str) -> Iterator[Said]:
    with engine.connect(database_url, autocommit=True) as connection:
        yield Said(connection)


def test_only_what_cannot_both_be_right(said: Said) -> None:
    said.broker(1, 2222)
    said.tns(1, "SN Ia-norm")  # the same
    said.broker(2, 2222)
    said.tns(2, "SN Candidate")  # some supernova
    said.broker(3, 2222)
    said.tns(3, "AGN")
    said.annotator(3, "RR Lyrae")
    said.broker(4, 2220)
    said.tns(4, "SN II")  # below it
    said.broker(5, 2332, 0.4)  # not sure enough
    said.tns(5, "SN II")
    said.annotator(6, "something new")
    found = said.find()
    fink = "broker Fink 1 SN"
    assert said.pairs() == [
        (3, "annotator open", "RR Lyrae", fink, "Ia"),
        (3, "annotator open", "RR Lyrae", "tns", "AGN"),
        (3, fink, "Ia", "tns", "AGN"),
    ]
    assert (found.objects, found.pairs, found.unknown) == (1, 3, ("something new",))
    assert found.revision == current_revision(said.connection)


@pytest.mark.parametrize(
    ("classid", "probability"),
    [(300, 1.0), (200, 0.9), (0, 1.0), (9999, 0.9), (2332, 95.0), (2332, float("nan")), (2332, float("inf"))],
)
def test_what_says_nothing_contradicts_nothing(said: Said, classid: int, probability: float) -> None:
    """Not classified, everything else, an unknown class, and numbers that are not probabilities."""
    said.broker(1, classid, probability)
    said.tns(1, "SN Ia")
    found = said.find()
    assert (found.statements, found.pairs) == (1, 0)
    assert found.unknown == (("9999",) if classid == 9999 else ())
    assert only_by(said.connection, said.rule, "tns", "broker") == [(1, "tns", "SN Ia")]


def test_what_not_everybody_may_read_is_no_statement(said: Said) -> None:
    said.broker(1, 2222)
    said.annotator(1, "AGN", topic="secret")
    assert said.find().pairs == 0


def test_what_holds_no_more_is_kept_as_the_past(said: Said) -> None:
    said.broker(1, 2222)
    said.tns(1, "AGN")
    first = said.find()
    assert said.find().revision is None
    said.broker(1, 2332)
    second = said.find()
    assert (second.pairs, said.pairs()) == (0, [])
    assert first.revision is not None
    assert second.revision is not None
    held = f"contradictions_history WHERE revision_from <= {first.revision} AND revision_to > {first.revision}"
    assert len(said.pairs(held)) == 1


def test_what_one_has_and_another_has_not(said: Said) -> None:
    said.broker(1, 2222)
    said.tns(1, "AGN")
    said.tns(2, "SN II")
    assert only_by(said.connection, said.rule, "tns", "broker") == [(2, "tns", "SN II")]
    assert only_by(said.connection, said.rule, "broker", "tns") == []
    # As it is kept for pages.
    said.find()
    assert [(one.diaobjectid, one.source, one.said) for one in only_kept(said.connection, "tns", "broker")] == [
        (2, "tns", "SN II")
    ]
    with pytest.raises(ValueError, match="no kind of source 'gossip'"):
        only_by(said.connection, said.rule, "tns", "gossip")
