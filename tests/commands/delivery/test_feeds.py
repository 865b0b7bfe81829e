"""`broker-assets delivery feeds`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Done, invoke
from stored_filters import add_object

from broker_assets.database import engine

pytestmark = pytest.mark.database


def test_a_feed_is_made_read_and_removed(database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url}
        return invoke("delivery", "feeds", *arguments, folder=tmp_path, columns=200, **given)

    assert "no feeds" in run("list").stdout
    refused = run("add", "ann", "mine")
    assert refused.returncode != 0
    assert "say which objects" in refused.stderr
    assert run("add", "ann", "mine", "--object", "7", "--object", "8").returncode == 0
    assert "already has a feed" in run("add", "ann", "mine", "--object", "7").stderr
    assert "mine" in run("list").stdout
    with engine.connect(database_url) as connection:
        add_object(connection, 7)
        [(batch,)] = connection.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at)"
            " VALUES ('t', 'annotation', '1', now(), now())"
            " RETURNING ingestid"
        ).fetchall()
        connection.execute(
            "INSERT INTO annotations (diaobjectid, topic, annotationid, classification, content, revision, ingestid)"
            " VALUES (7, 'fink', 1, 'SN', 'x', 1, %s)",
            (batch,),
        )
        connection.commit()
    for _ in range(2):
        assert json.loads(run("read", "ann", "mine", "--keep").stdout)["annotations"] == ["fink"]
    assert json.loads(run("read", "ann", "mine").stdout)["diaObjectId"] == "7"
    assert run("read", "ann", "mine").stdout.strip() == ""
    many = [part for one in range(1000, 2002) for part in ("--object", str(one))]
    assert run("add", "ann", "many", *many).returncode == 0
    with engine.connect(database_url, autocommit=True) as connection:
        for first, last in ((1000, 2000), (2001, 2001)):
            connection.execute(
                "WITH batch AS (INSERT INTO ingest_batch (topic, kind, code_version, started_at)"
                " VALUES ('t', 'annotation', '1', now()) RETURNING ingestid)"
                " INSERT INTO annotations"
                " (diaobjectid, topic, annotationid, classification, content, revision, ingestid)"
                " SELECT number, 'fink', number, 'SN', 'x', 1, ingestid"
                " FROM batch, generate_series(%s::int, %s::int) AS number",
                (first, last),
            )
    pages = run("read", "ann", "many")
    assert (pages.returncode, len(pages.stdout.splitlines())) == (0, 1002), "more than fit into one answer"
    assert run("read", "ann", "many").stdout.strip() == ""
    assert run("remove", "ann", "mine").returncode == 0
    assert "no feed" in run("remove", "ann", "mine").stderr
