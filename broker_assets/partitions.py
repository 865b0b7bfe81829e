"""By what the assets are divided: nights, observation days of telemetry, lists, sky maps.

Only partition definitions and the functions that turn science values into partition keys belong here. A partition is
something an operator would name and repair on its own; an alert, a batch or a Kafka offset is not one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from dagster import DailyPartitionsDefinition, DynamicPartitionsDefinition, TimeWindowPartitionsDefinition

NIGHTS_BEGIN = "2018-01-01"
"""Before the first ZTF alert, so that every survey's past fits."""

nights: TimeWindowPartitionsDefinition = DailyPartitionsDefinition(
    start_date=NIGHTS_BEGIN,
    # Noon in Chile (UTC-4): the first observatory whose night begins. Rows find their own night by their own
    # observatory's noon (packets.nights); this offset only decides when a key begins to exist.
    hour_offset=16,
    timezone="UTC",
    # The night that has begun is a partition, not only those that have ended.
    end_offset=1,
)
"""One partition a night, from local noon to local noon; the key ``YYYY-MM-DD`` is the date of its evening."""

OBSERVATION_DAYS_BEGIN = "2020-02-10"
"""The launch of Solar Orbiter."""

observation_days: TimeWindowPartitionsDefinition = DailyPartitionsDefinition(
    start_date=OBSERVATION_DAYS_BEGIN,
    timezone="UTC",
    # Telemetry of a day comes on the day itself too.
    end_offset=1,
)
"""One partition a day; the key ``YYYY-MM-DD`` is the on-board date at levels LB and L0, the date of UTC from L1 on."""


watchlists = DynamicPartitionsDefinition(name="watchlists")
"""One partition a watchlist; the key is its `wl_id`."""

areas = DynamicPartitionsDefinition(name="areas")
"""One partition an area; the key is its `ar_id`."""

sky_maps = DynamicPartitionsDefinition(name="sky_maps")
"""One partition an event and version; the key is `mw_id`, event and version, joined by `_`."""


def sky_map_key(identifier: int, event: str, version: str) -> str:
    """Partition key of a sky map; control characters and dots in a row, which Dagster refuses, become dashes.

    Examples
    --------
    >>> sky_map_key(7, "S190425z", "2019-04-25T08:18:26.000000Z")
    '7_S190425z_2019-04-25T08:18:26.000000Z'
    """
    text = f"{identifier}_{event}_{version}"
    return "".join(mark if mark.isprintable() else "-" for mark in text).replace("..", "--")


def known_nights(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Divide nights into those that are partitions and those that are not.

    Simulated surveys reach into the future and a wrong clock gives any date: such rows are stored all the same, but
    Dagster has no partition to show them by.

    Parameters
    ----------
    keys : iterable of str
        Nights, ``YYYY-MM-DD``.

    Returns
    -------
    known, unknown : list of str
        Both sorted.

    Examples
    --------
    >>> known_nights(["2024-05-02", "1999-01-01", "2024-05-01"])
    (['2024-05-01', '2024-05-02'], ['1999-01-01'])
    """
    wanted = set(keys)
    valid = nights.filter_valid_partition_keys(wanted)
    return sorted(valid), sorted(wanted - valid)


def known_days(days: Iterable[datetime.date]) -> tuple[list[datetime.date], list[datetime.date]]:
    """Divide observation days into those that are partitions and those that are not.

    A clock that is not synchronised gives any date: such packets become products too, but Dagster has no partition to
    show them by.

    Parameters
    ----------
    days : iterable of date

    Returns
    -------
    known, unknown : list of date
        Both sorted.

    Examples
    --------
    >>> known_days([datetime.date(2086, 1, 1), datetime.date(2021, 6, 15)])
    ([datetime.date(2021, 6, 15)], [datetime.date(2086, 1, 1)])
    """
    wanted = {day.isoformat(): day for day in days}
    valid = observation_days.filter_valid_partition_keys(set(wanted))
    return sorted(wanted[key] for key in valid), sorted(wanted[key] for key in wanted.keys() - valid)
