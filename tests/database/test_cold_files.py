"""Files of the cold store go through fsspec."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.database.cold_files import StoreFiles


def test_files_are_written_read_and_removed_with_their_folders(tmp_path: Path) -> None:
    files = StoreFiles({})
    for place in ((tmp_path / "new" / "folder" / "one").as_uri(), "memory://cold/one"):
        with files.new_output(place).create() as stream:
            stream.write(b"content")
        with files.new_input(place).open() as stream:
            assert stream.read() == b"content"
        files.delete(place)
        with pytest.raises(FileNotFoundError):
            files.new_input(place).open()
