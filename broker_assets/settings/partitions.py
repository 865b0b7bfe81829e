"""Settings of the partitions: the first night and the first observation day that are kept."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, ConfigDict

SURVEY_STARTS: Final = {
    "rubin": datetime.date(2025, 1, 1),
    "ztf": datetime.date(2018, 1, 1),
    "elasticc": datetime.date(2022, 1, 1),
}
"""First day of the year in which a survey began: commissioning data of Rubin, the public alerts of ZTF, the simulated
nights of ELAsTiCC."""
MISSION_START: Final = datetime.date(2020, 2, 10)
"""Launch of Solar Orbiter."""


class PartitionSettings(BaseModel):
    """The first partitions; earlier data are stored as well, but Dagster has no partition for them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    first_night: datetime.date | None = None
    """Evening of the first night; default: the year in which the first of the configured surveys began."""
    first_day: datetime.date = MISSION_START
    """First observation day of telemetry."""

    def nights_begin(self, surveys: Iterable[str]) -> datetime.date:
        """The first night.

        Parameters
        ----------
        surveys : iterable of str
            Surveys of the configured streams; an unknown survey is taken to begin with the first of the known ones.

        Examples
        --------
        >>> PartitionSettings().nights_begin(["rubin"])
        datetime.date(2025, 1, 1)
        >>> PartitionSettings(first_night="2026-11-01").nights_begin(["rubin", "ztf"])
        datetime.date(2026, 11, 1)
        """
        if self.first_night is not None:
            return self.first_night
        earliest = min(SURVEY_STARTS.values())
        return min((SURVEY_STARTS.get(survey, earliest) for survey in surveys), default=earliest)
