"""The table of TNS, filled from a bulk file."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from broker_assets.tns.bulk import parse_bulk_csv
from broker_assets.tns.refresh import apply_bulk_file


@pytest.fixture
def fill(tns: ModuleType) -> Callable[..., None]:
    def fill(connection: Any, count: int, **changes: Any) -> None:
        rows = [tns.tns_row(n, f"2026{n}", n, 1.0, reporters='Å, "B"', **changes) for n in range(1, count + 1)]
        file = parse_bulk_csv(tns.bulk_csv(rows))
        until = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)
        apply_bulk_file(connection, file, name="f", kind="full", covers_until=until, largest_loss=1.0)

    return fill
