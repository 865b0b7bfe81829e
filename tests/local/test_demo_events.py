"""The notice of the demonstration is one that the broker reads, and the list is there where nothing else is read."""

from __future__ import annotations

import datetime
import itertools

import pytest

from broker_assets.local import demo_events
from broker_assets.local.demo import demonstration_survey
from broker_assets.local.demo_events import place_of_first
from broker_assets.settings import MovingListSettings, NoticeSettings, Settings
from broker_assets.sky.event_notices import read_event_notice

NOW = datetime.datetime(2026, 11, 29, 15, tzinfo=datetime.UTC)


def test_the_notice_has_a_circle_and_counts() -> None:
    trigger = datetime.datetime(2026, 11, 20, 18, tzinfo=datetime.UTC)
    found = read_event_notice(demo_events.notice(10.0, -20.0, trigger))
    assert (found.event, found.kind, found.trigger) == (demo_events.EVENT, "initial", trigger)
    [circle] = found.circles
    assert (circle.ra, circle.dec, circle.error) == (10.0, -20.0, demo_events.ERROR_DEGREES)


def test_there_is_no_list_where_the_user_reads_notices() -> None:
    own = NoticeSettings(lists=[MovingListSettings(name="swift", topics=("a",))])
    assert demo_events.wanted(Settings(notices=own)) is None
    assert demo_events.wanted(Settings(notices=NoticeSettings(topic="igwn.gwalert"))) is None
    plain = Settings()
    found = demo_events.wanted(plain)
    assert found is not None
    assert demo_events.topic_of(plain) is None
    assert demo_events.topic_of(plain.model_copy(update={"notices": found})) == demo_events.TOPIC


@pytest.mark.parametrize("days", [0, 10])
def test_every_demonstration_has_a_place_for_its_notice(days: int) -> None:
    """Also on the second of these days, whose first alert is of no object of the sky."""
    survey = demonstration_survey(2000, NOW + datetime.timedelta(days=days), None)
    first = [alert.diaobjectid for alert in itertools.islice(survey.alerts(), 200)]
    assert place_of_first(survey.truth(), first) is not None
