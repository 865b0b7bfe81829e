"""The queue is a table in which an account sees its own queries, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, groups
from broker_assets.database import engine
from broker_assets.database.sql_roles import sql_url
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.tom.queries import queue, running
from broker_assets.tom.queries.own_queue import show_own_queue
from broker_assets.tom.queries.statements import statements_of
from broker_assets.tom.queries.worker import QueryWorker

pytestmark = pytest.mark.database


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


def test_an_account_sees_its_own_queries(
    owner: psycopg.Connection[Any], database_url: str, tmp_path: Path
) -> None:  # fmt: skip
    anna, bob = (accounts.add(owner, name, None).userid for name in ("anna", "bob"))
    asked = statements_of("SELECT queryid, queries, subdicts FROM db_queryqueue", None)
    own = queue.submit(owner, anna, statements_of("SELECT %(a)s", {"a": [1, "x"]}), "csv")
    queue.submit(owner, bob, asked, "csv")
    url = str(sql_url(database_url, None, admin=False))
    with running.session(url, 20, who="anna") as (session, _):
        assert show_own_queue(owner, session, anna, asked)
        (piece,) = running.pieces(session, asked)
        assert piece.rows == [(own, ["SELECT %(a)s"], [{"a": [1, "x"]}])]
    # Another session does not find it, nor the table of everybody.
    for named, shown in (("SELECT 1", "SELECT * FROM db_queryqueue"), ("SELECT * FROM public.db_queryqueue",) * 2):
        with running.session(url, 20, who="anna") as (session, _):
            assert show_own_queue(owner, session, anna, statements_of(named, None)) == ("queue" in named)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                list(running.pieces(session, statements_of(shown, None)))
    # A queued query too.
    groups.add(owner, "elasticc_admin")
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=database_url))  # type: ignore[arg-type]
    worker = QueryWorker(database_url, settings)
    done = [worker.run_next() for _ in range(2)]
    assert [one and one.rows for one in done] == [1, 1]
