"""All checks of some nights in one run."""

from __future__ import annotations

from typing import Any

import pytest
from drained_platform import drained

from broker_assets.checks.alerts import NIGHT_CHECKS
from broker_assets.jobs.check_nights import check_config

__all__ = ["drained"]


pytestmark = pytest.mark.database


FIRST, SECOND = "2025-11-20", "2025-11-21"


def test_all_checks_of_nights_run_as_a_job(drained: Any) -> None:
    result = drained.run("check_nights", run_config=check_config([FIRST, SECOND, "1999-01-01"]))
    checks = drained.checks(result)
    assert checks["sources", "ledger_balances", FIRST]
    assert checks["sources", "alerts_as_usual", SECOND]
    assert ("objects", "columns_in_range", FIRST) in checks
    expected = {(check.asset, check.name, night) for check in NIGHT_CHECKS for night in (FIRST, SECOND)}
    assert set(checks) == expected
