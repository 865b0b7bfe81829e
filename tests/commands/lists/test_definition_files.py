"""`export` and `apply` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import invoke


@pytest.mark.database
@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("watchlists", "name: mine\ncones: |\n  1, 2, one\n"),
        ("areas", "name: mine\nmoc: 3/1\n"),
        ("filter", "name: mine\ndefinition: SELECT objects.ra FROM objects\n"),
    ],
)
def test_there_and_back(database_url: str, tmp_path: Path, command: str, text: str) -> None:
    def run(*arguments: str) -> str:
        done = invoke(command, *arguments, "--owner", "ann", folder=tmp_path, BROKER_DATABASE__URL=database_url)
        assert done.returncode == 0, done.stderr
        return done.stdout

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.yaml").write_text(text)
    assert "new" in run("apply", "in", "--dry-run")
    assert "new" in run("apply", "in")
    assert "1 of 1" in run("apply", "in")
    run("export", "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.yaml"]
    assert "1 of 1" in run("apply", "out")
    (tmp_path / "empty").mkdir()
    assert "removed" in run("apply", "empty", "--prune")
