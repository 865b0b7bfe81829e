"""What the page of a product reads of a file, and its state; its page is in `test_telemetry`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from counted_files import counted

from broker_assets.api.site.telemetry_product import inside_of, state_of
from broker_assets.publication.content import Facts
from broker_assets.publication.decisions import Entry, Status

NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)


def decided(status: Status, digest: str = "x", agreed: bool = False) -> Entry:
    """A decision."""
    return Entry(
        publicationid=1, target="soar", name="a", path="a", digest=digest, archive_name="a", subject="a", version=1,
        status=status, settled=True, facts=Facts(), decided_at=NOW, agreed_at=NOW if agreed else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "stale", "decisions", "state"),
    [
        ({}, "", [], "complete"),
        ({"incomplete": True}, "", [], "incomplete"),
        ({"incomplete": True}, "input kernels a → b", [decided("published")], "stale"),
        ({}, "x", [decided("held")], "held"),
        ({}, "", [decided("held"), decided("error")], "failed"),
        ({}, "", [decided("held", digest="other"), decided("held", agreed=True)], "complete"),
        ({"superseded": "2026-11-30"}, "x", [decided("held")], "replaced"),
    ],
)
def test_the_worst_state_holds(found: dict[str, Any], stale: str, decisions: list[Entry], state: str) -> None:
    assert state_of({"superseded": None, "digest": "x", "incomplete": False} | found, stale, decisions) == state


def test_files_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    path = counted(tmp_path / "a.fits")
    whole = inside_of(path)
    assert (len(whole.headers), whole.unreadable, whole.undrawn) == (3, "", "")
    assert whole.drawn.startswith("Light curve")
    path.write_bytes(path.read_bytes()[:4000])
    damaged = inside_of(path)
    assert len(damaged.headers) == 1
    assert "a.fits" in damaged.unreadable
    path.write_bytes(b"<html>")
    assert "a.fits" in inside_of(path).unreadable
    other = path.rename(tmp_path / "a.svg")
    assert "not a FITS file" in inside_of(other).undrawn
    assert inside_of("it was replaced").gone == "it was replaced"
