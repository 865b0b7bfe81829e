"""Plain SQL dumps are read: all rows or none, once, and nothing that they say is executed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.dumps.reading import BadDump, import_dump

pytestmark = pytest.mark.database

CLASSIFIER = "classifier_id, brokername, brokerversion, classifiername, classifierparams, modified"
MESSAGE = "brokermessage_id, streammessage_id, topicname, alert_id, diasource_id, msghdrtimestamp, descingesttimestamp"
MESSAGE += ", elasticcpublishtimestamp, brokeringesttimestamp, classid, classifier_id, probability"
DUMP = r"""--
-- PostgreSQL database dump
--
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.elasticc2_ppdbdiaobject (diaobject_id bigint);
DROP TABLE elasticc2_brokermessage;
COPY public.elasticc2_ppdbdiaobject (diaobject_id, simversion, ra, decl, isddf) FROM stdin;
7	a\tb	10	-5	f
8	\N	11	-5	t
\.
COPY public.elasticc2_brokerclassifier (CLASSIFIER) FROM stdin;
4	b	\N	one	\N	2024-01-01 00:00:00+00
5	b	\N	two	\N	2024-01-01 00:00:00+00
6	b	\N	two	\N	2024-01-01 00:00:00+00
\.
COPY public.elasticc2_brokermessage (MESSAGE) FROM stdin;
10	0	t	700	700	\N	2024-01-01 00:00:00+00	\N	\N	{2222}	4	{1}
11	0	t	700	700	\N	2024-01-01 00:00:00+00	\N	\N	{2222}	5	{1}
12	-1	REST_push	700	700	\N	2024-01-01 00:00:00+00	2024-01-01 00:00:00+00	\N	{2222}	5	{1}
13	-1	REST_push	700	700	\N	2024-01-01 00:00:00+00	2024-01-01 00:00:00+00	\N	{2222}	6	{1}
\.
COPY public.elasticc2_diaobject (diaobject_id, ra, decl, isddf) FROM stdin;
7	10	-5	f
\.
COPY public.auth_user (id, password) FROM stdin;
1	secret
\.
SELECT pg_catalog.setval('public."elasticc2_brokermessage_brokerMessageId_seq"', 500, true);
"""
DUMP = DUMP.replace("(CLASSIFIER)", f"({CLASSIFIER})").replace("(MESSAGE)", f"({MESSAGE})")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def lines(text: str = DUMP) -> list[str]:
    return text.splitlines(keepends=True)


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


def test_rows_are_stored_once(connection: psycopg.Connection[Any]) -> None:
    done = import_dump(connection, lines())
    # A classifier that is there twice becomes one, and so does what two of its uploads say.
    assert done.stored == {
        "elasticc2_ppdbdiaobject": 2, "elasticc2_brokerclassifier": 2, "elasticc2_brokermessage": 3,
        "elasticc2_diaobject": 1,
    }  # fmt: skip
    assert done.rows["elasticc2_brokermessage"] == 4
    assert (done.skipped, done.statements) == ({"auth_user": 1}, 2)
    assert rows(connection, "SELECT simversion FROM elasticc2_ppdbdiaobject ORDER BY 1") == [("a\tb",), (None,)]
    messages = "SELECT brokermessage_id, classifier_id FROM elasticc2_brokermessage ORDER BY 1"
    assert rows(connection, messages) == [(10, 4), (11, 5), (12, 5)]
    assert rows(connection, "SELECT nextval('\"elasticc2_brokermessage_brokerMessageId_seq\"')") == [(501,)]
    assert set(import_dump(connection, lines()).stored.values()) == {0}
    assert rows(connection, messages) == [(10, 4), (11, 5), (12, 5)]


def test_numbers_that_are_taken_are_given_anew(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, classifiername) VALUES (4, 'b', 'two'),"
        " (5, 'other', 'c')"
    )
    connection.execute(
        "INSERT INTO elasticc2_brokermessage (brokermessage_id, streammessage_id, topicname, alert_id, diasource_id,"
        " classifier_id, classid, probability) VALUES (10, 5, 'mine', 1, 1, 4, '{}', '{}')"
    )
    done = import_dump(connection, lines())
    assert (done.stored["elasticc2_brokerclassifier"], done.stored["elasticc2_brokermessage"]) == (1, 3)
    found = rows(
        connection,
        "SELECT alert_id, topicname, classifiername, count(*) FROM elasticc2_brokermessage"
        " JOIN elasticc2_brokerclassifier USING (classifier_id) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
    assert found == [(1, "mine", "two", 1), (700, "REST_push", "two", 1), (700, "t", "one", 1), (700, "t", "two", 1)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DUMP[: DUMP.index("8\t")], "line 8: the rows that begin here have no end"),
        (DUMP.replace("ra, decl", "ra, decalogue"), "line 8: elasticc2_ppdbdiaobject has no column decalogue"),
    ],
)
def test_a_damaged_file_changes_nothing(connection: psycopg.Connection[Any], text: str, said: str) -> None:
    with pytest.raises(BadDump, match=said):
        import_dump(connection, lines(text))
    with pytest.raises(psycopg.Error):
        import_dump(connection, lines(DUMP.replace("{2222}\t5", "{2222}\tfive")))
    for table in ("elasticc2_ppdbdiaobject", "elasticc2_brokerclassifier", "objects"):
        assert rows(connection, f"SELECT count(*) FROM {table}") == [(0,)]
