"""The seam: an enrichment is written once and serves the stream, reprocessing and retry alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from broken_adapter import BrokenAdapter
from enrichments import ConeCounts, Meddler, create_cone_counts

from broker_assets.accounting.facts import FactTable
from broker_assets.database import engine
from broker_assets.packets.surveys.adapter import Identity
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.matching import SkyMatching
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.enrichment import EnrichmentError, EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night
from broker_assets.stream.retry import retry_quarantine

SURVEYS = {"alerts": "rubin"}


@dataclass
class Named:
    """An enrichment of which only the plan is looked at."""

    name: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    version: str = "1"

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """Tables without columns."""
        return tuple(FactTable(name, ConeCounts().facts[0].table, name) for name in self.writes)

    def inputs(self) -> Mapping[str, str]:
        """None."""
        return {}

    def compute(self, batch: Any, earlier: Any) -> Any:
        """Not called."""
        raise NotImplementedError

    def write(self, computed: Any, written: Any) -> Any:
        """Not called."""
        raise NotImplementedError


def test_each_comes_after_those_that_it_reads() -> None:
    plan = EnrichmentPlan(
        [
            Named("outbox", ("matches",)),
            Named("filters", ("hits", "features"), ("matches",)),
            Named("features", (), ("features",)),
            Named("hits", (), ("hits",)),
        ]
    )
    names = [enrichment.name for enrichment in plan.enrichments]
    assert names.index("hits") < names.index("filters") < names.index("outbox")
    assert names.index("features") < names.index("filters")
    assert [item.name for item in plan.chosen(["matches"]).enrichments].index("filters") == 2
    assert [item.name for item in plan.chosen(["hits"]).enrichments] == ["hits"]
    assert [item.name for item in plan.last] == ["outbox"]
    assert plan.chosen(["hits"]).last == ()


@pytest.mark.parametrize(
    ("enrichments", "reason"),
    [
        ([Named("a", ("b",), ("a",)), Named("b", ("c",), ("b",)), Named("c", ("a",), ("c",))], "a → b → c → a"),
        ([Named("a", ("a",), ("a",))], "a → a"),
        ([Named("a", ("nothing",))], "a reads nothing, which no enrichment writes"),
        ([Named("a"), Named("a")], "2 enrichments are called 'a'"),
        ([Named("a", (), ("hits",)), Named("b", (), ("hits",))], "hits is written by a and b"),
    ],
)
def test_what_does_not_fit_together_fails_at_start(enrichments: list[Named], reason: str) -> None:
    with pytest.raises(EnrichmentError, match=reason):
        EnrichmentPlan(enrichments)


@pytest.fixture
def counted(broker: Any) -> EnrichmentPlan:
    """The platform's enrichments, and one more that reads the first one's table; given in the wrong order."""
    with engine.connect(broker.database_url, autocommit=True) as connection:
        create_cone_counts(connection)
        for name in ("one", "two"):  # object 7 of the packets lies in both, object 8 in none
            create_watchlist(connection, "ann", name, parse_watchlist(["2.59, -59.23"]), radius=30.0)
    return EnrichmentPlan([ConeCounts(), SkyMatching(broker.sky)])


VISITS = [(0, 61000.2), (1, 61001.2)]


@pytest.mark.database
def test_a_second_enrichment_in_stream_reprocessing_and_retry(
    broker: Any, packets: ModuleType, counted: EnrichmentPlan
) -> None:
    """Adding one touches no file of the stream."""

    def poison(identity: Identity) -> bool:
        return bool(((identity.diaobjectid == 7) & (identity.midpointmjdtai > 61001.0)).any())

    adapter = BrokenAdapter(poison, "seven on the second night")
    alerts = [packets.encode(packets.alert(number, VISITS[:last])) for last in (1, 2) for number in (7, 8)]
    report = broker.drain(packets.ListSource.of(alerts), plan=counted, decoder=lambda: broker.decoder(adapter))
    assert (report.stored, report.quarantined) == (3, 1)

    # in the report, and in the ledger
    assert report.facts == {"watchlist_facts": 2, "area_facts": 0, "sky_map_facts": 0, "cone_counts": 3}
    booked = broker.query(
        "SELECT night::text, asset, enrichment, sum(rows)::int FROM ingest_batch_facts WHERE asset IN"
        " ('cone_counts', 'watchlist_facts') GROUP BY 1, 2, 3 ORDER BY 1, 2"
    )
    assert booked == [
        ("2025-11-20", "cone_counts", "cone_counts", 2),
        ("2025-11-20", "watchlist_facts", "sky", 2),
        ("2025-11-21", "cone_counts", "cone_counts", 1),
        ("2025-11-21", "watchlist_facts", "sky", 0),
    ]
    counts = "SELECT diaobjectid, diasourceid, night::text, cones FROM cone_counts ORDER BY 1, 2"
    assert broker.query(counts) == [(7, 7000, "2025-11-20", 2), (8, 8000, "2025-11-20", 0), (8, 8001, "2025-11-21", 0)]

    # a retry from quarantine is enriched as the stream is
    retried = retry_quarantine(
        broker.database_url, broker.archive_url, broker.decoder, topic=broker.topic, plan=counted
    )
    assert retried.stored == 1
    assert retried.nights["2025-11-21"].facts["watchlist_facts"] == 2
    assert (7, 7001, "2025-11-21", 2) in broker.query(counts)
    assert broker.value("SELECT count(*) FROM watchlist_hits WHERE diaobjectid = 7") == 2

    # and so is a night that is rebuilt, with or without its rows
    before = broker.query(counts)
    tables = ("watchlist_facts", "cone_counts", "watchlist_hits", "diasources")
    content = {table: broker.rows(table, without=("ingestid", "found_at")) for table in tables}
    for facts_only in (False, True):
        broker.execute("DELETE FROM cone_counts WHERE night = '2025-11-21'")
        again = reprocess_night(broker.database_url, "2025-11-21", surveys=SURVEYS, plan=counted, facts_only=facts_only)
        assert again.counts.facts["cone_counts"] == 2
        assert broker.query(counts) == before
        assert {table: broker.rows(table, without=("ingestid", "found_at")) for table in tables} == content
    broker.assert_closed_ledger()


@pytest.mark.database
def test_only_the_facts_of_the_chosen_enrichments_are_rebuilt(
    broker: Any, packets: ModuleType, counted: EnrichmentPlan
) -> None:
    broker.drain(packets.ListSource.of([packets.encode(packets.alert(7, VISITS[:1]))]), plan=counted)
    broker.execute("DELETE FROM cone_counts")
    broker.execute("DELETE FROM watchlist_facts")
    chosen = counted.chosen(["watchlist_facts"])
    reprocess_night(broker.database_url, "2025-11-20", surveys=SURVEYS, plan=chosen, facts_only=True)
    assert broker.value("SELECT count(*) FROM watchlist_facts") == 2
    assert broker.value("SELECT count(*) FROM cone_counts") == 0


@pytest.mark.database
def test_versions_of_facts_follow_their_content(broker: Any, packets: ModuleType, counted: EnrichmentPlan) -> None:
    alerts = [packets.encode(packets.alert(number, VISITS[:last])) for last in (1, 2) for number in range(5, 10)]
    report = broker.drain(packets.ListSource.of(alerts), plan=counted)
    key = ("watchlist_facts", "2025-11-21")
    again = reprocess_night(broker.database_url, "2025-11-21", surveys=SURVEYS, plan=counted)
    assert again.data_versions[key] == report.data_versions[key]
    assert again.data_versions["area_facts", "2025-11-21"] == "0-0000000000000000"
    # a night that is rebuilt is booked once
    rows = "SELECT sum(rows)::int FROM ingest_batch_facts WHERE asset = 'watchlist_facts' AND night = '2025-11-21'"
    assert broker.value(f"{rows} AND replaced_by IS NULL") == 2
    assert broker.value(f"{rows} AND replaced_by IS NOT NULL") == 2


@pytest.mark.database
def test_a_failing_enrichment_costs_the_alert_that_it_fails_on(broker: Any, packets: ModuleType) -> None:
    """The batch is followed down to the message, which goes to quarantine; the others are stored."""

    def fail(batch: Any) -> None:
        if 7 in batch.alerts["diaobjectid"].to_pylist():
            raise ZeroDivisionError("no feature of seven")

    plan = EnrichmentPlan([Meddler(on_compute=fail)])
    alerts = [packets.encode(packets.alert(number, VISITS[:1])) for number in range(5, 10)]
    report = broker.drain(packets.ListSource.of(alerts), plan=plan)
    assert (report.stored, report.quarantined) == (4, 1)
    assert "no feature of seven" in broker.value("SELECT reason FROM quarantine")
    broker.assert_closed_ledger()


@pytest.mark.database
def test_duplicates_have_their_facts_once(broker: Any, packets: ModuleType, counted: EnrichmentPlan) -> None:
    alert = packets.encode(packets.alert(7, VISITS[:1]))
    report = broker.drain(packets.ListSource.of([alert, alert]), plan=counted)
    assert (report.stored, report.duplicate) == (1, 1)
    again = broker.drain(packets.ListSource.of([alert, alert, alert]), plan=counted)
    assert again.duplicate == 1
    assert broker.value("SELECT count(*) FROM watchlist_facts") == 2
    assert broker.value("SELECT count(*) FROM cone_counts") == 1
