import datetime

import psycopg
import pytest

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.night_contents import (
    content,
    nights_to_send,
    objects_of_night,
    simulated_nights,
    survey_content,
)

pytestmark = [pytest.mark.database, pytest.mark.shared]

EVENING = datetime.date(2023, 11, 29)


def test_a_night_of_the_snapshot_at_each_step(postgres, new_database, tom_snapshot_template):
    with (
        new_database(tom_snapshot_template) as name,
        psycopg.connect(conninfo(postgres.url(name))) as connection,
    ):
        found = {step: content(connection, step, EVENING) for step in ("sent", "messages", "reported", "rollups")}
        assert {step: rows for step, (rows, _) in found.items()} == {
            "sent": 8, "messages": 24, "reported": 8, "rollups": found["rollups"].rows,
        }  # fmt: skip
        assert len(objects_of_night(connection, EVENING)) == 2
        connection.execute("UPDATE elasticc2_brokermessage SET probability = probability WHERE classifier_id = 4")
        assert content(connection, "messages", EVENING) == found["messages"]
        connection.execute("DELETE FROM elasticc2_brokermessage WHERE classifier_id = 4")
        changed = content(connection, "messages", EVENING)
        assert (changed.rows, changed.version != found["messages"].version) == (16, True)
        assert content(connection, "sent", datetime.date(2020, 1, 1)) == (0, "0-0000000000000000")
        assert nights_to_send(connection, 1)[0] > EVENING


def test_nights_of_the_survey(survey_url):
    with psycopg.connect(conninfo(survey_url)) as connection:
        nights = simulated_nights(connection)
        assert nights == sorted(set(nights))
        assert nights[0] == nights_to_send(connection, 3)[0] == EVENING
        assert survey_content(connection).rows == 1862
