import psycopg
import pytest

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey import journal

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url):
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        yield connection


def test_a_batch_is_found_until_it_is_finished(connection):
    number = journal.begin(connection, "place", [5, 6], ["wide", "wide"], {"wide": {0: 7}})
    assert journal.begun(connection, "elsewhere") == []
    (left,) = journal.begun(connection, "place")
    assert (left.sendingid, left.alerts, left.topics, left.positions) == (
        number,
        [5, 6],
        ["wide"] * 2,
        {"wide": {0: 7}},
    )
    assert 0 <= left.age < 60
    journal.finish(connection, number)
    assert journal.begun(connection, "place") == []


def test_files_of_a_night_add_up(connection):
    assert journal.sent_files(connection, "place", "60300") == (0, False)
    journal.mark_files(connection, "place", "60300", 5)
    journal.mark_files(connection, "place", "60300", 2, over=True)
    assert journal.sent_files(connection, "place", "60300") == (7, True)


def test_there_is_one_sender_of_a_place(connection, database_url):
    with (
        psycopg.connect(conninfo(database_url), autocommit=True) as other,
        journal.sole_sender(connection, "place"),
        journal.sole_sender(other, "another place"),
        pytest.raises(journal.SenderBusy, match="another sender is sending the alerts of place"),
        journal.sole_sender(other, "place"),
    ):
        pass
    with journal.sole_sender(connection, "place"):
        pass
