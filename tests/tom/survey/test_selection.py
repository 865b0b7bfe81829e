import math

import psycopg
import pytest

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.selection import NoWindow, Window, count, pages, simulation_clock, window

pytestmark = [pytest.mark.database, pytest.mark.shared]


@pytest.fixture
def connection(survey_url):
    with psycopg.connect(conninfo(survey_url), autocommit=True) as connection:
        yield connection


def send(connection, through):
    connection.execute(
        "UPDATE elasticc2_ppdbalert AS alert SET alertsenttimestamp = now() FROM elasticc2_ppdbdiasource AS source"
        " WHERE source.diasource_id = alert.diasource_id AND source.midpointtai <= %s",
        (through,),
    )


def test_the_clock_is_the_latest_detection_that_was_sent(connection):
    assert simulation_clock(connection) is None
    send(connection, 60578)
    assert simulation_clock(connection) == 60575.0008


def test_added_days_end_at_noon_after_the_clock(connection):
    first = window(connection, added_days=36)
    assert first is not None
    assert first.start == pytest.approx(60277.029)
    assert window(connection, added_days=36, start_day=60300) == Window(60300, 60336.5)
    send(connection, 60578)
    assert window(connection, added_days=100) == Window(60575.0008, 60675.5)
    assert window(connection, added_days=100, start_day=60600) == Window(60600, 60700.5)
    assert window(connection, through_day=60578) == Window(None, 60578)


def test_the_numbers_of_the_cycle(connection):
    assert count(connection, Window(None, 60578)) == 545
    send(connection, 60578)
    assert count(connection, Window(60575.0008, 60675.5)) == 105
    assert count(connection, Window(60575.0008, 60676.5)) == 106


def test_pages_are_in_the_order_of_time_and_complete(connection):
    every = list(pages(connection, Window(None, 60578), size=100))
    assert [len(page.alert) for page in every] == [100] * 5 + [45]
    times = [mjd for page in every for mjd in page.mjd.tolist()]
    assert times == sorted(times)
    assert len({alert for page in every for alert in page.alert.tolist()}) == 545


@pytest.mark.parametrize(
    "days",
    [
        {},
        {"through_day": 1, "added_days": 1},
        {"through_day": math.nan},
        {"added_days": -5},
        {"through_day": 1, "start_day": 2},
    ],
)
def test_times_that_do_not_say_what_is_sent_are_refused(connection, days):
    with pytest.raises(NoWindow):
        window(connection, **days)


def test_without_alerts_there_is_no_window(database_url):
    with psycopg.connect(conninfo(database_url)) as connection:
        assert window(connection, added_days=1) is None
