"""Addresses of folders: paths become absolute URLs that name these very folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from broker_assets.settings import Settings
from broker_assets.settings.cold import ColdSettings
from broker_assets.settings.places import folder_url
from broker_assets.storage.objects import read_range, store


@pytest.mark.parametrize(
    "name", ["plain", "two words", "j\N{LATIN SMALL LETTER O WITH DIAERESIS}rg", "100%", "a#b", "%20"]
)
def test_files_are_in_the_folder_that_was_named(tmp_path: Path, name: str) -> None:
    """Escaped, they would be in another one, outside of the platform's folder."""
    settings = Settings(home=tmp_path / name)
    for url in (settings.archive, settings.warehouse, settings.hats):
        file = UPath(url) / "a" / "b.avro"
        store(file, b"content")
        assert read_range(str(file), 0, None) == b"content"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["archive", "cold", "hats"]


def test_a_path_is_absolute_and_a_url_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes in other folders read the addresses in the database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings(archive_url="data/archive", cold=ColdSettings(warehouse_url="~/cold", hats_url="s3://b/hats"))
    assert settings.archive == f"file://{tmp_path}/data/archive"
    assert (settings.warehouse, settings.hats) == (f"file://{tmp_path}/cold", "s3://b/hats")
    assert folder_url("memory://archive") == "memory://archive"
