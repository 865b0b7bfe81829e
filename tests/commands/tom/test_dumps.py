"""`broker-assets tom export` and `import`."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.commands.tom.application import app
from broker_assets.settings import load_settings

pytestmark = [pytest.mark.database, pytest.mark.shared]


def test_a_part_is_taken_elsewhere(
    tom_snapshot_url: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(url: str, *arguments: Any) -> str:
        monkeypatch.setenv("BROKER_DATABASE__URL", url)
        load_settings.cache_clear()
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    file = tmp_path / "part.sql"
    assert "elasticc2_ppdbdiaobject: 5 rows" in run(tom_snapshot_url, "export", "-n", 5, "-o", file)
    assert [path.name for path in tmp_path.iterdir()] == ["part.sql"]
    packed = tmp_path / "part.sql.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert "elasticc2_ppdbdiaobject: 5 rows, 5 new" in run(database_url, "import", "-f", file)
    assert "elasticc2_ppdbdiaobject: 5 rows, 0 new" in run(database_url, "import", "-f", packed)
