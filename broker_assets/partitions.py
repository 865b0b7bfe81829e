"""Partitions of the assets: nights, observation days of telemetry, lists, sky maps, classifiers, filters.

Only partition definitions and the functions that turn science values into partition keys belong here. A partition is
something an operator would name and repair individually; an alert, a batch or a Kafka offset is not one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from dagster import DailyPartitionsDefinition, DynamicPartitionsDefinition, TimeWindowPartitionsDefinition

from broker_assets.settings import load_settings

# Read once for each process: assets, checks and jobs that are defined from here must agree on the partitions.
_SETTINGS = load_settings()

nights: TimeWindowPartitionsDefinition = DailyPartitionsDefinition(
    start_date=_SETTINGS.nights_begin.isoformat(),
    # Noon in Chile (UTC-4), the first observatory whose night begins. The night of a row is determined by the noon of
    # its own observatory (packets.nights); this offset only decides when a key begins to exist.
    hour_offset=16,
    timezone="UTC",
    # The current night is a partition, not only past ones.
    end_offset=1,
)
"""One partition per night, from local noon to local noon; the key ``YYYY-MM-DD`` is the date of its evening."""

observation_days: TimeWindowPartitionsDefinition = DailyPartitionsDefinition(
    start_date=_SETTINGS.partitions.first_day.isoformat(),
    timezone="UTC",
    # Telemetry of a day also arrives on the day itself.
    end_offset=1,
)
"""One partition per day; the key ``YYYY-MM-DD`` is the on-board date at levels LB and L0, the UTC date from L1 on."""


watchlists = DynamicPartitionsDefinition(name="watchlists")
"""One partition per watchlist; the key is its `wl_id`."""

areas = DynamicPartitionsDefinition(name="areas")
"""One partition per area; the key is its `ar_id`."""

catalogues = DynamicPartitionsDefinition(name="catalogues")
"""One partition per catalogue that positions are associated with; the key is its name."""

sky_maps = DynamicPartitionsDefinition(name="sky_maps")
"""One partition per event and version; the key is `mw_id`, event and version, joined by `_`."""


annotators = DynamicPartitionsDefinition(name="annotators")
"""One partition per annotator; the key is its topic."""

classifiers = DynamicPartitionsDefinition(name="classifiers")
"""One partition per classifier; the key is its name."""

simulated_nights = DynamicPartitionsDefinition(name="simulated_nights")
"""One partition per night of the simulated survey, from 12 UT to 12 UT; the key ``YYYY-MM-DD`` is its evening."""

filters = DynamicPartitionsDefinition(name="filters")
"""One partition per active filter; the key is its `filterid`."""


def sky_map_key(identifier: int, event: str, version: str) -> str:
    """Partition key of a sky map; control characters and consecutive dots, which Dagster rejects, become dashes.

    Examples
    --------
    >>> sky_map_key(7, "S190425z", "2019-04-25T08:18:26.000000Z")
    '7_S190425z_2019-04-25T08:18:26.000000Z'
    """
    text = f"{identifier}_{event}_{version}"
    return "".join(mark if mark.isprintable() else "-" for mark in text).replace("..", "--")


def known_nights(keys: Iterable[str]) -> tuple[list[str], list[str]]:
    """Separate nights that are partitions from those that are not.

    Simulated surveys reach into the future and a wrong clock gives any date: such rows are stored nevertheless, but
    Dagster has no partition for them.

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
    """Separate observation days that are partitions from those that are not.

    A clock that is not synchronised gives any date: such packets become products too, but Dagster has no partition
    for them.

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
