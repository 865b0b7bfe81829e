"""Notes of files to come: whoever wakes up too late takes its files back."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.stream.orphaned_files import ExpectedFile, PendingFiles


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "topic/2025-11-20").mkdir(parents=True)
    return tmp_path.as_uri()


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("first", ["a.avro", None])
def test_a_writer_that_was_thought_dead(tmp_path: Path, url: str, first: str | None) -> None:
    """Whatever it had written when its successor came, nothing that the database does not know stays."""
    names = ["a.avro", "b.avro"]
    asleep, successor = PendingFiles(url, "topic"), PendingFiles(url, "topic")
    note = asleep.announce([0, 1], [ExpectedFile("2025-11-20", name) for name in names])
    if first is not None:
        (tmp_path / "topic/2025-11-20" / first).write_bytes(b"x")
    assert successor.sweep([0, 1, 2], lambda urls: set()) == (first is not None)
    for name in names:
        (tmp_path / "topic/2025-11-20" / name).write_bytes(b"x")
    with pytest.raises(StaleStreamPosition, match="taken over"):
        asleep.confirm(note)
    assert files_of(tmp_path) == []


def test_a_writer_that_nobody_disturbs(tmp_path: Path, url: str) -> None:
    """Its files stay, those of other partitions are left alone."""
    writer = PendingFiles(url, "topic")
    note = writer.announce([3], [ExpectedFile("2025-11-20", "a.avro")])
    (tmp_path / "topic/2025-11-20/a.avro").write_bytes(b"x")
    assert PendingFiles(url, "topic").sweep([0, 1], lambda urls: set()) == 0
    writer.confirm(note)
    writer.settle(note)
    assert files_of(tmp_path) == ["a.avro"]


def test_a_sweep_that_was_cut_short_is_made_again(tmp_path: Path, url: str) -> None:
    """The note is kept until its files are gone."""
    PendingFiles(url, "topic").announce([0], [ExpectedFile("2025-11-20", "a.avro")])
    (tmp_path / "topic/2025-11-20/a.avro").write_bytes(b"x")

    def killed(urls: list[str]) -> set[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PendingFiles(url, "topic").sweep([0], killed)
    assert PendingFiles(url, "topic").sweep([0], lambda urls: set()) == 1
    assert files_of(tmp_path) == []
