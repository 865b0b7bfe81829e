"""`broker-assets users`, as an administrator calls it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.access import accounts, tokens
from broker_assets.cli import app
from broker_assets.database import engine
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def call(module_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with engine.connect(module_database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE access.users, access.tokens, access.groups, access.memberships, access.changes")
    monkeypatch.setenv("BROKER_DATABASE__URL", module_database_url)
    load_settings.cache_clear()

    def run(*arguments: str, password: str | None = None) -> Any:
        environment = {"COLUMNS": "200", "BROKER_NEW_PASSWORD": password}
        return CliRunner().invoke(app, ["users", *arguments], env=environment)

    return run


def test_an_account_from_the_first_to_the_last_day(call: Any, module_database_url: str) -> None:
    assert "make the first" in call("list").output
    made = call("add", "ann", "--role", "administrator", "--email", "ann@example.org", "--group", "AGN")
    assert made.exit_code == 0, made.output
    password = made.output.split("Password: ")[1].split()[0]
    with engine.connect(module_database_url, autocommit=True) as connection:
        assert accounts.log_in(connection, "ann", password, "::1").administers
    assert call("add", "bob", password="correct horse").output.splitlines() == ["bob has an account"]
    listed = call("list").output
    assert "AGN, Public" in listed
    assert call("update", "bob", "--role", "operator", "--no-active").exit_code == 0
    assert "last administrator" in call("remove", "ann").output
    assert call("remove", "bob").exit_code == 0
    changed = call("changes").output
    assert "user removed" in changed
    assert "bob" not in changed


def test_errors_are_one_line(call: Any) -> None:
    assert "no account is named nobody" in call("update", "nobody").output
    assert "at least 10 characters" in call("add", "ann", password="short").output
    assert call("add", "ann", "--role", "king").exit_code == 2


def test_tokens(call: Any, module_database_url: str) -> None:
    call("add", "ann", password="correct horse")
    token = call("token", "create", "ann", "script", "--write", "--days", "30").output.strip()
    with engine.connect(module_database_url, autocommit=True) as connection:
        found = tokens.bearer(connection, token)
    assert found is not None
    assert found.scope == "write"
    assert "script" in call("token", "list", "ann").output
    assert "no longer valid" in call("token", "revoke", "ann", "script").output
    assert "no token named script" in call("token", "revoke", "ann", "script").output


def test_export_and_import(call: Any, tmp_path: Path) -> None:
    call("add", "ann", password="correct horse")
    file = tmp_path / "users.json"
    assert call("export", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    refused = call("import", str(file))
    assert refused.exit_code == 1
    assert "0 accounts made, 1 refused" in refused.output
    document = json.loads(file.read_text())
    document[0] |= {"id": 1000, "username": "other"}
    file.write_text(json.dumps(document))
    assert call("import", str(file)).output.startswith("1 accounts made")
    file.write_text("{")
    assert "is not JSON" in call("import", str(file)).output
