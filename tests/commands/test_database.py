"""`broker-assets database` on databases that are empty, up to date, and changed by somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.database import engine, migrations
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def url(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """An empty database."""
    with new_database() as name:
        yield postgres.url(name)


@pytest.fixture
def command(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("BROKER_DATABASE__URL", url)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["database", *arguments])
    load_settings.cache_clear()


def test_check_and_upgrade(command: Any, url: str) -> None:
    empty = command("check")
    assert empty.exit_code == 1
    assert "The database is at step none" in empty.stdout
    assert "`broker-assets database upgrade` creates them" in empty.stdout
    assert f"at step {migrations.head()}; it was at none." in command("upgrade").stdout
    assert "as before." in command("upgrade").stdout
    good = command("check")
    assert good.exit_code == 0
    assert good.stdout == f"The database is at step {migrations.head()}; the newest is {migrations.head()}.\n"
    with engine.transaction(url) as connection:
        connection.execute("ALTER TABLE objects DROP COLUMN ebv CASCADE")
    changed = command("check")
    assert changed.exit_code == 1
    assert "ebv" in changed.stdout
    assert "Something other than the migrations" in changed.stdout
    with engine.transaction(url) as connection:
        connection.execute("UPDATE broker_schema_version SET version_num = '9999'")
    for arguments, code in (("check", 1), ("upgrade", 0)):
        later = command(arguments)
        assert (later.exit_code, "of a later release" in later.stdout) == (code, True), later.output


def test_the_printed_sql_creates_the_tables(command: Any, url: str) -> None:
    printed = command("sql", "watchlists", "watchlist_cones")
    assert printed.exit_code == 0
    with engine.transaction(url) as connection:
        connection.execute(printed.stdout)
        connection.execute("INSERT INTO watchlists (owner, name, radius, revision) VALUES ('ann', 'x', 3, 1)")
        row = connection.execute("SELECT obj_description('watchlists'::regclass)").fetchone()
    assert row == ("Watchlists: sets of cones",)
    unknown = command("sql", "nothing")
    assert unknown.exit_code == 2
    assert "there is no table nothing" in unknown.stderr
