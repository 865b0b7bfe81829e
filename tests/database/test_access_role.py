"""The role for accounts."""

from __future__ import annotations

import first_campaign
import psycopg
import pytest
from mocpy import MOC
from owned_things import own_something, owned
from sqlalchemy.engine import make_url

from broker_assets.access import accounts, sharing, uploads
from broker_assets.annotations import requests
from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator
from broker_assets.database import engine
from broker_assets.database.access_role import create_access_role
from broker_assets.database.reader import create_reader
from broker_assets.delivery import sinks
from broker_assets.delivery.backlog import retry
from broker_assets.filters import history, store, trials
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges
from broker_assets.filters.yields import newest_yield
from broker_assets.ownership import belongings
from broker_assets.ownership.removal import remove_account
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.sky import lists
from broker_assets.sky.lists import ListSettings
from broker_assets.sky.overview import summaries
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.annotation_followup import annotate
from broker_assets.tom.first_campaign import writing
from broker_assets.tom.messages.forms import uploaded
from broker_assets.tom.messages.uploading import store_upload
from broker_assets.tom.queries import queue
from broker_assets.tom.queries.statements import statements_of
from broker_assets.tom.spectra.plans import plan_spectrum, remove_plan
from broker_assets.tom.spectra.reports import report_spectrum
from broker_assets.tom.spectra.requests import request_spectra

pytestmark = pytest.mark.database


@pytest.fixture
def urls(database_url: str) -> tuple[str, str]:
    owner = make_url(database_url)
    found = []
    for name, create in (("accounts", create_access_role), ("onlooker", create_reader)):
        url = owner.set(username=f"{name}_{owner.database}"[:60], password="secret")
        create(database_url, url)
        found.append(url.render_as_string(hide_password=False))
    return found[0], found[1]


def test_it_reads_and_writes_accounts_and_little_else(urls: tuple[str, str]) -> None:
    with engine.connect(urls[0], autocommit=True) as connection:
        accounts.add(connection, "ann", "correct horse")
        assert accounts.log_in(connection, "ann", "correct horse", "::1").username == "ann"
        for statement in (
            "SELECT * FROM diasources",
            "DELETE FROM objects",
            "UPDATE ingest_batch_facts SET rows = 0",
            "SELECT * FROM quarantine",
            "CREATE TABLE access.mine (a int)",
            "CREATE TABLE public.mine (a int)",
            "DROP TABLE access.users",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_it_annotates_objects(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, night) VALUES (7, 1, '2026-01-01')")
        add_annotator(connection, "finder", "ann")
    with engine.connect(urls[0], autocommit=True) as connection:
        for classification in ("SN", "AGN"):
            said = {"topic": "finder", "diaObjectId": 7, "classification": classification}
            assert annotate(connection, "ann", [said]).outcomes == ["stored"]
        assert connection.execute("SELECT classification FROM annotations").fetchall() == [("AGN",)]


def test_an_account_goes_with_what_it_owns(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        ann = own_something(connection, "ann")
    with engine.connect(urls[0], autocommit=True) as connection:
        assert len(belongings.export(connection, ann)["watchlists"]) == 1
        remove_account(connection, ann)
        assert set(owned(connection, "ann").values()) == {0}


def test_it_changes_filters_lists_and_annotators(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (7, 1, 1, 2)")
    with engine.connect(urls[0], autocommit=True) as connection:
        ann = accounts.add(connection, "ann", None)
        root = accounts.add(connection, "root", None, roles=["administrator"])
        number = lists.create_watchlist(connection, "ann", "w", parse_watchlist(["1, 2", "3, 4"]), radius=5)
        with engine.connect(database_url, autocommit=True) as owner:
            owner.execute(
                "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec) SELECT 7, cone_id, wl_id, 1"
                " FROM watchlist_cones WHERE ra = 1"
            )
        lists.replace_cones(connection, "ann", number, parse_watchlist(["3, 4", "5, 6"]))
        lists.change_list(connection, "ann", "watchlist", number, ListSettings(active=False, radius=6))
        area = lists.create_area(connection, "ann", "a", MOC.from_str("3/1"))
        lists.replace_area(connection, "ann", area, MOC.from_str("3/2"))
        sharing.share(connection, ann, "area", str(area), ["Public"])
        form = Form("objects.ra", f"objects, watchlist:{number}")
        filterid = store.create_filter(connection, "ann", "f", form, public=True)
        store.save_filter(connection, "ann", filterid, "SELECT ra FROM objects")
        store.change_filter(connection, "ann", filterid, FilterChanges(active=True))
        sink = sinks.add(connection, DeliverySettings(), filterid, "email", "ann@example.org")
        assert retry(connection, sinkid=sink.sinkid) == 0
        sinks.remove(connection, sink.sinkid)
        trial = trials.ask(connection, ann, "SELECT ra FROM objects", filterid=filterid, version=2)
        assert trials.take(connection) is not None
        trials.finish(connection, trial, "done", "", {})
        uploads.remember(connection, ann, "watchlist", number, "w.csv", 2, [])
        requests.answer(connection, root, requests.ask(connection, ann, "early", "scores of supernovae"), accepted=True)
        change_annotator(connection, "early", AnnotatorChange(public=True), owner="ann")
        assert len(summaries(connection, "watchlist")) == len(summaries(connection, "area")) == 1
        assert newest_yield(connection) == {}
        assert history.passed(connection, [filterid]) == {}
        lists.delete_list(connection, "ann", "watchlist", number)
        lists.delete_list(connection, "ann", "area", area)
        store.remove_filter(connection, "ann", filterid)


def test_the_role_that_reads_everything_does_not_see_accounts(urls: tuple[str, str]) -> None:
    with engine.connect(urls[1], autocommit=True) as connection:
        for statement in ("SELECT * FROM access.users", "SELECT * FROM access.tokens", "TABLE access.changes"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_it_is_not_the_owner(database_url: str) -> None:
    with pytest.raises(ValueError, match="other than"):
        create_access_role(database_url, database_url)


def test_it_stores_what_brokers_upload(urls: tuple[str, str]) -> None:
    message = {
        "alertId": 7, "diaSourceId": 7, "elasticcPublishTimestamp": 0, "brokerIngestTimestamp": 0, "brokerName": "b",
        "brokerVersion": None, "classifierName": "c", "classifierParams": None,
        "classifications": [{"classId": 200, "probability": 1}],
    }  # fmt: skip
    with engine.connect(urls[0], autocommit=True) as connection:
        for stored in (1, 0):
            with connection.transaction():
                done = store_upload(connection, uploaded(message), username="ann", content=b"sent")
                assert done.stored == stored
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM elasticc2_brokermessage")
    with engine.connect(urls[1]) as connection:
        assert connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchall() == [(1,)]


def test_it_stores_what_the_loader_of_the_first_campaign_writes(urls: tuple[str, str]) -> None:
    with engine.connect(urls[0], autocommit=True) as connection, connection.transaction():
        alerts = [first_campaign.alert(1, place) for place in range(2)]
        assert writing.add_alerts(connection, alerts)["alerts"] == 2
        point = {"SourceID": 100, "SNID": 1, "MJD": 60000.0, "DETECT": True, "TRUE_GENTYPE": 10, "TRUE_GENMAG": 21.5}
        assert writing.add_truth(connection, [point]) == ([100], [])
        assert writing.add_object_truth(connection, [first_campaign.truth(1)]) == [1]
        writing.mark_sent(connection, [100, 101])


def test_it_stores_what_is_said_of_spectra_and_queues_sql(urls: tuple[str, str], database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (7, 10, -5, false)")
    with engine.connect(urls[0], autocommit=True) as connection:
        user = accounts.add(connection, "ann", None)
        for _ in range(2):
            assert request_spectra(connection, user.userid, "ann", [7], [5]) == 1
            plan_spectrum(connection, user, 7, "Keck")
        assert remove_plan(connection, user, 7, "Keck") == 1
        report_spectrum(connection, user, 7, "Keck", 60000.0, None, None)
        identifier = queue.submit(connection, user.userid, statements_of("SELECT 1", None), "csv")
        assert queue.get(connection, user.userid, identifier).state == "queued"
        assert queue.cancel(connection, user.userid, identifier)
