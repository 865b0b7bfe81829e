"""Files of results in the object store."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from broker_assets.settings import Settings
from broker_assets.tom.queries.result_store import remove_files, results_folder


def test_files_are_removed_if_they_are_there(tmp_path: Path) -> None:
    folder = results_folder(Settings(home=tmp_path))
    assert folder.path == str(tmp_path / "archive" / "query_results")
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x")
    queries: list[Any] = [SimpleNamespace(file="a.csv"), SimpleNamespace(file="b.csv")]
    assert remove_files(folder, queries) == 1
    assert list(folder.iterdir()) == []
