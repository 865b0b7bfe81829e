"""Collects what every source says about objects, and finds contradictions, by set operations in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from broker_assets.database.tables import contradictions, contradictions_history
from broker_assets.provenance.periods import record_changes
from broker_assets.tom.contradictions.opinions import SOURCES, keep_opinions
from broker_assets.tom.contradictions.rule import Rule

CONTRADICTIONS_VERSION: Final = "3"
_LOCK: Final = 0x636F6E74

# Each source makes one statement about an object: for a broker's classifier, the most probable class in its newest
# message. What is not public does not count, nor does a number that is not a probability (NaN is above all others in
# PostgreSQL), nor a class that says nothing or that the taxonomy does not have.
_STATEMENTS: Final[tuple[LiteralString, ...]] = (
    "SELECT diaobject_id AS diaobjectid, 'broker ' || concat_ws(' ', brokername, brokerversion, classifiername,"
    " classifierparams) AS source, coalesce(class.description, latestclass1id::text) AS said,"
    " latestclass1id AS classid, latestclass1prob AS probability FROM elasticc2_diaobjectclassification"
    " JOIN elasticc2_brokerclassifier USING (classifier_id)"
    " LEFT JOIN (SELECT DISTINCT classid, description FROM elasticc2_gentypeofclassid) AS class"
    " ON class.classid = latestclass1id WHERE latestclass1prob BETWEEN %(probability)s AND 1",
    "SELECT hit.diaobjectid, 'tns', tns.type, meaning.classid, NULL FROM watchlists AS list"
    " JOIN watchlist_hits AS hit ON hit.wl_id = list.wl_id JOIN crossmatch_tns AS tns ON tns.tns_name = hit.name"
    " JOIN said_meanings AS meaning ON meaning.said = tns.type"
    " WHERE list.owner = 'system' AND list.name = '__TNS__'",
    "SELECT note.diaobjectid, 'annotator ' || note.topic, note.classification, meaning.classid, NULL"
    " FROM annotations AS note JOIN annotators AS who ON who.topic = note.topic AND who.active AND who.public"
    " JOIN said_meanings AS meaning ON meaning.said = note.classification",
    "SELECT DISTINCT ON (score.diaobjectid, score.classifier) score.diaobjectid, 'classifier ' || score.classifier,"
    " score.class, meaning.classid, score.score FROM object_classes AS score"
    " JOIN said_meanings AS meaning ON meaning.said = score.class WHERE score.score BETWEEN %(probability)s AND 1",
    "SELECT diaobjectid, 'context', classification, class.classid, NULL FROM sherlock_classifications AS context"
    " JOIN context_meanings AS class ON class.said = context.classification",
)  # fmt: skip
_SAID: Final = (
    "SELECT DISTINCT type FROM crossmatch_tns WHERE type IS NOT NULL UNION SELECT DISTINCT classification"
    " FROM annotations UNION SELECT DISTINCT class FROM object_classes"
)
_NUMBERS: Final = (
    "SELECT DISTINCT latestclass1id FROM elasticc2_diaobjectclassification WHERE latestclass1id <> ALL(%s)"
)
_PAIRS: Final = (
    "INSERT INTO contradictions (diaobjectid, source, othersource, said, othersaid, classid, otherclassid,"
    " probability, otherprobability) SELECT one.diaobjectid, one.source, other.source, one.said, other.said,"
    " one.classid, other.classid, one.probability, other.probability FROM statements AS one"
    " JOIN statements AS other ON other.diaobjectid = one.diaobjectid AND other.source > one.source"
    " WHERE NOT EXISTS (SELECT FROM compatible_classes AS pair WHERE pair.one = one.classid"
    " AND pair.other = other.classid)"
)


@dataclass(frozen=True)
class Found:
    """What was found."""

    statements: int
    objects: int
    """Objects with contradictions."""
    pairs: int
    unknown: tuple[str, ...]
    """Texts to which the rule assigns no class, and numbers of classes that the taxonomy does not have; at most a
    thousand."""
    revision: int | None
    """Number of the change; None if nothing has changed."""


def find(connection: psycopg.Connection[Any], rule: Rule) -> Found:
    """Compare the statements about every object, and store the contradictions.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    rule : Rule
        Meaning of statements.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        unknown = _state(connection, rule)
        keep_opinions(connection)
        connection.execute("DELETE FROM contradictions")
        pairs = connection.execute(_PAIRS).rowcount
        row = connection.execute(
            "SELECT (SELECT count(*) FROM statements), (SELECT count(DISTINCT diaobjectid) FROM contradictions)"
        ).fetchone()
        key = ["diaobjectid", "source", "othersource"]
        revision = record_changes(connection, contradictions, contradictions_history, key=key)
    statements, objects = row if row is not None else (0, 0)
    return Found(statements, objects, pairs, unknown, revision)


def only_by(connection: psycopg.Connection[Any], rule: Rule, one: str, other: str) -> list[tuple[int, str, str]]:
    """Objects about which sources of one kind say something, and no source of another kind does.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    rule : Rule
        Meaning of statements.
    one, other : str
        Two of `SOURCES`.

    Returns
    -------
    list of (int, str, str)
        Object, source and what it says, by object; at most 10,000.

    Raises
    ------
    ValueError
        If `one` or `other` is not a kind of source.
    """
    for kind in (one, other):
        if kind not in SOURCES:
            raise ValueError(f"there is no kind of source {kind!r}; there are {', '.join(SOURCES)}")
    with connection.transaction():
        _state(connection, rule)
        return connection.execute(
            "SELECT diaobjectid, source, said FROM statements AS this WHERE split_part(source, ' ', 1) = %s"
            " AND NOT EXISTS (SELECT FROM statements AS that WHERE that.diaobjectid = this.diaobjectid"
            " AND split_part(that.source, ' ', 1) = %s) ORDER BY 1, 2 LIMIT 10000",
            (one, other),
        ).fetchall()


def _state(connection: psycopg.Connection[Any], rule: Rule) -> tuple[str, ...]:
    """Fill the temporary table `statements`; return what is said without a meaning."""
    connection.execute(
        "DROP TABLE IF EXISTS pg_temp.said_meanings, pg_temp.context_meanings, pg_temp.compatible_classes,"
        " pg_temp.statements"
    )
    said = [row[0] for row in connection.execute(_SAID)]
    meanings = {text: rule.meaning(text) for text in said}
    known = {text: classid for text, classid in meanings.items() if classid is not None}
    for table, pairs in (("said_meanings", known), ("context_meanings", rule.context)):
        connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT * FROM unnest({}::text[], {}::int[])"
                " AS given (said, classid)"
            ).format(sql.Identifier(table), sql.Literal(list(pairs)), sql.Literal(list(pairs.values())))
        )
    one, other = rule.compatible.T
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE compatible_classes ON COMMIT DROP AS SELECT * FROM unnest({}::int[], {}::int[])"
            " AS given (one, other)"
        ).format(sql.Literal(one.tolist()), sql.Literal(other.tolist()))
    )
    query = " UNION ALL ".join(f"({statement})" for statement in _STATEMENTS)
    best = (
        "SELECT DISTINCT ON (diaobjectid, source) * FROM statement WHERE classid = ANY(%(speaking)s)"
        " ORDER BY diaobjectid, source, probability DESC, said"
    )
    connection.execute(
        f"CREATE TEMPORARY TABLE statements ON COMMIT DROP AS WITH statement AS ({query}) {best}",
        {"probability": rule.probability, "speaking": sorted(rule.speaking)},
    )
    connection.execute("ANALYZE statements")
    unknown = {text for text, classid in meanings.items() if classid is None}
    unknown |= {str(row[0]) for row in connection.execute(_NUMBERS, (rule.taxonomy.classid.tolist(),))}
    return tuple(sorted(unknown))[:1000]
