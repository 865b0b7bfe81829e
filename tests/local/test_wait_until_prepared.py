"""Services wait for the job that prepares the servers, with the URLs that they have."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from broker_assets.database import migrations
from broker_assets.database.engine import engine
from broker_assets.database.reader import create_reader
from broker_assets.local import wait_until_prepared as prepared
from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database


def settings(**urls: str) -> Settings:
    """Settings with these databases only."""
    return Settings(streams=[], database=DatabaseSettings(**{name: SecretStr(url) for name, url in urls.items()}))


def test_a_service_starts_when_both_databases_are_prepared(
    postgres: Any, new_database: Callable[..., AbstractContextManager[str]], database_url: str, dagster_url: str
) -> None:
    with new_database() as empty:
        found = prepared.lacking(settings(url=postgres.url(empty)))
        assert found == f"the database is at step none, this release needs {migrations.head()}"
        reader = make_url(database_url).set(username=f"waits_{os.getpid()}", password="secret")
        reader_url = reader.render_as_string(hide_password=False)
        create_reader(database_url, reader_url)
        assert prepared.lacking(settings(reader_url=reader_url)) is None
        lacking = prepared.lacking(settings(url=database_url, dagster_url=postgres.dagster_url(empty)))
        assert lacking == "Dagster's database lacks runs, event_logs, instigators"
        made = sa.create_engine(postgres.dagster_url(empty))
        timer = threading.Timer(0.5, lambda: _make(made, prepared.DAGSTER_TABLES))
        timer.start()
        waiting = settings(url=database_url, dagster_url=postgres.dagster_url(empty))
        assert prepared.wait(waiting, seconds=20, pause=0.1) is None
        timer.join()
        made.dispose()
        away = prepared.wait(settings(url="postgresql+psycopg://nobody:secret@127.0.0.1:1/x"), seconds=0) or ""
        assert away.startswith("the database does not answer: ")
        assert "refused" in away
        assert "secret" not in away


def _make(made: sa.Engine, names: tuple[str, ...]) -> None:
    with made.begin() as connection:
        for name in names:
            connection.execute(sa.text(f"CREATE TABLE {name} (a int)"))


def test_a_database_of_a_later_release_serves_and_an_earlier_one_does_not(database_url: str) -> None:
    with engine(database_url).begin() as connection:
        connection.execute(sa.text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = 'later'"))
    assert prepared.lacking(settings(url=database_url)) is None
    with engine(database_url).begin() as connection:
        connection.execute(sa.text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '0001'"))
    assert "step 0001" in (prepared.lacking(settings(url=database_url)) or "")


def test_the_command_waits_with_the_settings_of_its_environment(database_url: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    command = [sys.executable, "-m", "broker_assets.local.wait_until_prepared"]
    environment["BROKER_DATABASE__URL"] = database_url
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
