"""What a target lost is found by its receipts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from broker_assets.publication.questions import pending, receipts
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.verification import verify

pytestmark = pytest.mark.database


def test_losses_at_an_archive_are_found_and_repaired(
    connection: Any, archive: Path, products: Any, remote: Any, tmp_path: Path
) -> None:
    for number in (1, 2):
        products.put(archive, products.request(number), value=number)
    products.put(archive, products.DAY)
    first = publish(connection, files_below(archive), remote.target, Rules())
    assert verify(connection, remote.target) == []
    before = remote.files()
    names = sorted(before)
    remote.target.remove(names[0])
    bad = tmp_path / "bad"
    bad.write_bytes(before[names[1]][:-1] + b"x")
    remote.target.deliver(names[1], bad, hashlib.sha256(bad.read_bytes()).hexdigest())
    losses = verify(connection, remote.target)
    assert {loss.name: loss.state for loss in losses} == {names[0]: "missing", names[1]: "damaged"}
    assert pending(connection) == []
    verify(connection, remote.target, repair=True)
    assert len(pending(connection)) == 2
    again = publish(connection, files_below(archive), remote.target, Rules())
    assert sorted(outcome.delivered_name or "" for outcome in again.outcomes) == names[:2]
    # The same bytes, the time of the first delivery included.
    assert remote.files() == before
    assert len(receipts(connection)) == len(first.outcomes) + 2
    assert verify(connection, remote.target) == []
