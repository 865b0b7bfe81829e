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


def as_inserts(text: str) -> str:
    """The dump as `pg_dump --column-inserts --rows-per-insert=2` writes it, with Windows' line ends."""
    made: list[str] = []
    given = iter(text.splitlines())
    for line in given:
        if not line.startswith("COPY "):
            made.append(line)
            continue
        head = line.replace("COPY ", "INSERT INTO ").replace(" FROM stdin;", " VALUES")
        block = []
        while (row := next(given)) != "\\.":
            cells = [cell.replace("\\t", "\t") for cell in row.split("\t")]
            block.append("\t(" + ", ".join("NULL" if cell == "\\N" else f"'{cell}'" for cell in cells) + ")")
        for at in range(0, len(block), 2):
            made += [head, *(f"{one}," for one in block[at : at + 2][:-1]), block[at : at + 2][-1] + ";"]
        made.append("")
    return "\r\n".join(made)


def test_rows_as_inserts_and_other_spellings(connection: psycopg.Connection[Any]) -> None:
    body = (
        "CREATE FUNCTION f() RETURNS void AS $_$\nINSERT INTO elasticc2_ppdbdiaobject VALUES (1);\n$_$ LANGUAGE sql;\n"
    )
    other = "COPY other.elasticc2_ppdbdiaobject (diaobject_id) FROM stdin;\n9\n\\.\n"
    done = import_dump(connection, lines(body + other + as_inserts(DUMP)))
    assert done.stored == {
        "elasticc2_ppdbdiaobject": 2, "elasticc2_brokerclassifier": 2, "elasticc2_brokermessage": 3,
        "elasticc2_diaobject": 1,
    }  # fmt: skip
    assert (done.skipped, done.statements) == ({"auth_user": 1, "other.elasticc2_ppdbdiaobject": 1}, 5)
    assert rows(connection, "SELECT diaobject_id, simversion FROM elasticc2_ppdbdiaobject ORDER BY 1") == [
        (7, "a\tb"), (8, None)
    ]  # fmt: skip
    text = (
        'insert into "elasticc2_ppdbdiaobject" ("ra", simversion, diaobject_id, decl, isddf) values'
        " (1.5e1, 'it''s; (a),\n\\N \\\\ ''', 12, 0, false)\n, (-2,NULL,13, 0, True) ON CONFLICT DO NOTHING;\n"
        "INSERT INTO public.elasticc2_ppdbdiaobject (diaobject_id, isddf, ra, decl) VALUES (14, true, 0, 0);\n"
        "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, isddf, ra, decl, simversion)"
        " VALUES (16, true, 0, 0, E'a\\n\\'b');\n"
        'copy "public"."elasticc2_ppdbdiaobject" (decl, isddf, "diaobject_id", ra) from STDIN;\r\n'
        "1\tf\t15\t2\r\n\\.\r\n"
    )
    import_dump(connection, lines(text))
    found = rows(
        connection, "SELECT diaobject_id, ra, simversion, isddf FROM elasticc2_ppdbdiaobject WHERE diaobject_id > 9"
    )
    assert sorted(found) == [
        (12, 15.0, "it's; (a),\n\\N \\\\ '", False), (13, -2.0, None, True), (14, 0.0, None, True),
        (15, 2.0, None, False), (16, 0.0, "a\n'b", True),
    ]  # fmt: skip


def test_the_next_row_gets_a_number_that_is_free(connection: psycopg.Connection[Any]) -> None:
    import_dump(connection, lines(DUMP[: DUMP.index("SELECT pg_catalog.setval")]))
    query = (
        "INSERT INTO elasticc2_brokerclassifier (brokername, classifiername) VALUES ('c', 'd') RETURNING classifier_id"
    )
    assert rows(connection, query)[0][0] > 5


OBJECTS = "elasticc2_ppdbdiaobject"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"\nINSERT INTO public.{OBJECTS} VALUES (1, 2);\n", "line 2: .* do not name their columns"),
        (f"COPY {OBJECTS} FROM stdin;\n1\n\\.\n", "line 1: .* do not name their columns"),
        (f"COPY {OBJECTS} (diaobject_id) FROM stdin WITH (FORMAT csv);\n1\n\\.\n", "another form .*csv"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) SELECT 1;\n", "a form that is not read"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) VALUES (1 + 1);\n", "a value in a form that is not read: '1 . 1"),
        (f"INSERT INTO {OBJECTS} (simversion) VALUES (X'61');\n", "a value in a form that is not read"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) VALUES (1, 2);\n", "2 values of 1 columns"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) VALUES (1),\n(2)\n", "line 1: .* has no end"),
        (f"INSERT INTO {OBJECTS} (simversion) VALUES ('a\n", "line 1: .* has no end"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) VALUES (1); DROP TABLE x;\n", "more behind the statement: 'DROP"),
        (f"INSERT INTO {OBJECTS} (diaobject_id) VALUES (1) RETURNING 1;\n", "not read behind rows: 'RETURNING"),
        ("SET client_encoding = 'UTF8';\nSET client_encoding TO latin1;\n", "line 2: the file is in UTF8 before"),
        ("", "it has no rows"),
        ("-- a dump of nothing\n", "it has no rows"),
    ],
)
def test_rows_in_other_forms_are_refused(connection: psycopg.Connection[Any], text: str, said: str) -> None:
    with pytest.raises(BadDump, match=said):
        import_dump(connection, lines(text))
    assert rows(connection, f"SELECT count(*) FROM {OBJECTS}") == [(0,)]


def test_messages_of_unknown_classifiers_are_refused(connection: psycopg.Connection[Any]) -> None:
    """Their numbers are those of the other database: here another classifier may have them."""
    blocks = {table: DUMP[DUMP.index(f"COPY public.{table} ") :].partition("\\.\n") for table in
              ("elasticc2_brokerclassifier", "elasticc2_brokermessage")}  # fmt: skip
    classifiers, messages = ("".join(block[:2]) for block in blocks.values())
    import_dump(connection, lines(classifiers))
    for text in (messages, messages + classifiers, classifiers.replace("5\tb", "9\tb") + messages):
        with pytest.raises(BadDump, match=r"messages of classifier [45], which the file does not have"):
            import_dump(connection, lines(text))
    assert rows(connection, "SELECT count(*) FROM elasticc2_brokermessage") == [(0,)]
    assert import_dump(connection, lines(classifiers + messages)).stored["elasticc2_brokermessage"] == 3


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
