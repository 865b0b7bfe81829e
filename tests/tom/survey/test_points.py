import numpy as np
import psycopg
import pytest

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.alerts import documents
from broker_assets.tom.survey.points import alert_document, read_light_curves

pytestmark = [pytest.mark.database, pytest.mark.shared]


@pytest.fixture
def connection(survey_url):
    with psycopg.connect(conninfo(survey_url)) as connection:
        yield connection


def test_an_alert_of_the_tables_is_that_of_the_files(connection, simulated_curves):
    for alert in (155218500031, 155218500005, 172671000100):
        theirs = documents(simulated_curves, np.array([alert]), np.array([alert]))[0]
        assert alert_document(connection, alert) == theirs


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ({}, (49, 100)),
        ({"days": 30}, (2, 31)),
        ({"most_forced": 10}, (49, 10)),
        ({"days": 30, "most_forced": 4}, (2, 4)),
    ],
)
def test_the_pinned_numbers(connection, options, points):
    alert = alert_document(connection, 172671000100, **options)
    assert (len(alert["prvDiaSources"]), len(alert["prvDiaForcedSources"])) == points


def test_an_unknown_alert_is_named(connection):
    with pytest.raises(LookupError, match="there is no alert 666"):
        alert_document(connection, 666)


def test_light_curves_between_two_times(connection):
    curves = read_light_curves(connection, [1552185, 1552185, 5], since=60279.0, before=60282.0)
    assert curves.objects.num_rows == 1
    forced = np.asarray(curves.forced["midpointtai"])
    assert forced.min() >= 60279.0
    assert forced.max() <= 60282.0
    assert np.asarray(curves.sources["midpointtai"]).min() < 60279.0
    assert read_light_curves(connection, []).sources.num_rows == 0
