"""Where the partitions begin."""

from __future__ import annotations

import datetime

import pytest
from pydantic import ValidationError

from broker_assets.packets.surveys import ADAPTERS
from broker_assets.settings import Settings, StreamSettings
from broker_assets.settings.partitions import SURVEY_STARTS, PartitionSettings


def test_every_survey_has_a_start() -> None:
    assert set(ADAPTERS) == set(SURVEY_STARTS)


def test_the_first_night_is_in_the_year_of_the_first_survey() -> None:
    rubin = StreamSettings(topic="a", survey="rubin", framing="confluent")
    ztf = StreamSettings(topic="b", survey="ztf", framing="container")
    assert Settings(streams=[rubin]).nights_begin == datetime.date(2025, 1, 1)
    assert Settings(streams=[rubin, ztf]).nights_begin == datetime.date(2018, 1, 1)
    assert Settings(streams=[]).nights_begin == min(SURVEY_STARTS.values())
    # A survey of a plug-in may have begun at any time.
    assert PartitionSettings().nights_begin(["rubin", "another"]) == min(SURVEY_STARTS.values())


def test_a_night_that_is_given_holds() -> None:
    given = PartitionSettings.model_validate({"first_night": "2026-11-01"})
    assert given.nights_begin(["ztf"]) == datetime.date(2026, 11, 1)
    with pytest.raises(ValidationError, match="first_night"):
        PartitionSettings.model_validate({"first_night": "soon"})
