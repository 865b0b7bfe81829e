"""Paths of the object store, on a disk and in a store that only fsspec knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings


@pytest.mark.parametrize("url", ["memory://archive-of-a-test", None])
def test_what_is_written_below_the_store_is_read(url: str | None, tmp_path: Path) -> None:
    store = ObjectStore(url or tmp_path.as_uri())
    path = store.path("2026-01-01", "a.avro")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content")
    assert ObjectStore(store.url).path("2026-01-01").joinpath("a.avro").read_bytes() == b"content"
    assert [found.name for found in store.path("2026-01-01").iterdir()] == ["a.avro"]


def test_the_store_is_that_of_the_settings(tmp_path: Path) -> None:
    assert ObjectStore.of(Settings(home=tmp_path)).url == (tmp_path / "archive").as_uri()
    named = ObjectStore.of(Settings(archive_url="s3://bucket/prefix"))
    assert repr(named) == "ObjectStore(s3://bucket/prefix)"
