"""Checks of the alert stream by night: the ledger, the values of columns, nights unlike those before them."""

from collections.abc import Sequence

from broker_assets.checks.alerts import columns, ledger, unusual_nights
from broker_assets.checks.definition import NightCheck

NIGHT_CHECKS: Sequence[NightCheck] = (*ledger.NIGHT_CHECKS, *columns.NIGHT_CHECKS, *unusual_nights.NIGHT_CHECKS)
"""Every check of nights."""
