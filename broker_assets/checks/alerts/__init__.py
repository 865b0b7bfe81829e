"""Checks of the alert stream by night: ledger, values of columns, scores, unusual nights."""

from collections.abc import Sequence

from broker_assets.checks.alerts import (
    classes,
    columns,
    context,
    features,
    filters,
    ledger,
    links,
    statistics,
    unusual_nights,
)
from broker_assets.checks.definition import NightCheck

NIGHT_CHECKS: Sequence[NightCheck] = (
    *ledger.NIGHT_CHECKS,
    *columns.NIGHT_CHECKS,
    *unusual_nights.NIGHT_CHECKS,
    *features.NIGHT_CHECKS,
    *classes.NIGHT_CHECKS,
    *context.NIGHT_CHECKS,
    *statistics.NIGHT_CHECKS,
    *links.NIGHT_CHECKS,
    *filters.NIGHT_CHECKS,
)
"""All checks of nights."""
