"""Scorecards and contradictions as assets: their versions change with what they say, and only then."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, Definitions

from broker_assets.assets.tom.comparison import CONTRADICTIONS, SCORECARDS
from broker_assets.build import tom
from broker_assets.database import engine
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings
from broker_assets.tns.refresh import tns_watchlist

pytestmark = pytest.mark.database


def say(connection: psycopg.Connection[Any]) -> None:
    """A broker calls object 1 an Ia, and TNS calls it an AGN."""
    connection.execute("INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (1, 10, -5, false)")
    connection.execute(
        "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, classifiername)"
        " OVERRIDING SYSTEM VALUE VALUES (1, 'Fink', 'a|b')"
    )
    connection.execute(
        "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id, diasource_id,"
        " classid, classifier_id, probability) VALUES (0, 't', 0, 5, 5, '{2222}', 1, '{0.9}')"
    )
    connection.execute(
        "INSERT INTO elasticc2_diaobjectclassification (diaobject_id, classifier_id, latestclass1id, latestclass1prob)"
        " VALUES (1, 1, 2222, 0.9)"
    )
    connection.execute(
        "INSERT INTO crossmatch_tns (tns_name, type, ra, decl, htm16) VALUES ('2026a', 'AGN', 10, -5, 0)"
    )
    connection.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name) VALUES (1, 1, %s, 0.1, '2026a')",
        (tns_watchlist(connection),),
    )


def test_versions_follow_what_is_said(database_url: str) -> None:
    instance = DagsterInstance.ephemeral()
    settings = Settings()
    resources = {"database": Database(database_url), "kafka": Kafka.of(settings)}
    definitions = Definitions.merge(tom.definitions(settings), Definitions(resources=resources))

    def run() -> dict[str, tuple[str, dict[str, Any]]]:
        result = definitions.resolve_job_def("compare_brokers").execute_in_process(instance=instance)
        made = [
            one.step_materialization_data.materialization for one in result.all_events if one.is_step_materialization
        ]
        return {
            one.asset_key.to_user_string(): (
                (one.tags or {})["dagster/data_version"],
                {name: value.value for name, value in one.metadata.items()},
            )
            for one in made
        }

    empty = run()
    assert empty[SCORECARDS][1]["dagster/row_count"] == empty[CONTRADICTIONS][1]["dagster/row_count"] == 0
    with engine.connect(database_url) as connection:
        say(connection)
    said = run()
    assert said[SCORECARDS][0] != empty[SCORECARDS][0]
    assert said[CONTRADICTIONS][0] != empty[CONTRADICTIONS][0]
    shown = said[SCORECARDS][1]
    assert (shown["messages"], shown["counted now"]) == (1, 1)
    assert "Fink · a\\|b" in shown["classifiers"]
    assert "| 1 | broker Fink a\\|b | Ia | tns | AGN |" in said[CONTRADICTIONS][1]["examples"]
    again = run()
    assert {name: one[0] for name, one in again.items()} == {name: one[0] for name, one in said.items()}
