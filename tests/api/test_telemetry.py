"""Telemetry on the status page, as JSON and for Prometheus."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from telemetry_records import Records

from broker_assets.settings import DatabaseSettings, KafkaSettings, PublicationTarget, Settings

pytestmark = pytest.mark.database

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    """Some days of telemetry, with one file in quarantine."""
    made = Records(database_url, tmp_path, datetime.datetime.now(datetime.UTC))
    made.settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=database_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": "500"}),
        streams=[],
        telemetry=made.settings.telemetry,
        publication=made.settings.publication,
    )
    made.settings.publication.targets.append(PublicationTarget(name="copy", url="/copy", mirror=True))
    for back in (4, 3, 1):
        day = (made.now.date() - datetime.timedelta(days=back)).isoformat()
        levelb = made.product("LB", day)
        made.product("L0", day, parent=levelb)
        made.decision(made.product("L1", day, made=400), "published")
    made.decision("solo_L1_held_V02.fits", "held", reason="90 rows, the delivered file has 100", ago=100)
    made.file("<b>broken.xml", "quarantined", reason="no <telemetry> at all")
    made.file("done.xml", "processed", processed_at=made.hours(0.5), reported_at=made.hours(0.5))
    return made


@pytest.fixture
def client(records: Records, serve: Serve) -> Iterator[httpx.Client]:
    with serve(records.settings) as url, httpx.Client(base_url=url, timeout=30) as opened:
        yield opened


def test_the_page_shows_telemetry_and_what_needs_attention(client: httpx.Client) -> None:
    text = client.get("/status/").text
    for part in ("<h2>Telemetry</h2>", "<h2>Packets</h2>", "<h2>Products</h2>", "<h2>Publication</h2>", "soar",
                 "telemetry_register/failing_files", "lb_quicklook/days_missing", "published_files/held_back",
                 "no &lt;telemetry&gt; at all", "<code>broker-assets telemetry files retry</code>"):  # fmt: skip
        assert part in text, part
    assert "<b>broken.xml" not in text
    assert "<h2>Telemetry</h2>" in client.get("/fragment").text


def test_the_same_as_json(client: httpx.Client) -> None:
    found = client.get("/api/telemetry").json()
    assert found["healthy"] is False
    assert [(level["level"], level["files"]) for level in found["levels"]] == [("LB", 3), ("L0", 3), ("L1", 3)]
    soar, copy = found["targets"]
    assert (soar["published"], soar["held"]) == (3, 1)
    assert copy["mirror"] is True


def test_the_same_for_prometheus(client: httpx.Client, records: Records) -> None:
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}

    def value(name: str, **labels: str) -> float:
        (found,) = [sample.value for sample in families[name].samples if labels.items() <= sample.labels.items()]
        return found

    assert value("broker_telemetry_healthy") == 0
    assert value("broker_product_files", level="L0", family="quicklook") == 3
    assert value("broker_publication_files", target="soar", state="held") == 1
    assert value("broker_telemetry_files", state="quarantined") == 1
    labels = {
        "broker_telemetry_files": {"folder", "state"},
        "broker_product_files": {"level", "family"},
        "broker_product_files_stale": {"level", "family"},
        "broker_publication_files": {"target", "state"},
    }
    assert {name: set(families[name].samples[0].labels) for name in labels} == labels


def test_without_telemetry_nothing_is_shown(database_url: str, tmp_path: Path, serve: Serve) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=database_url),  # type: ignore[arg-type]
        streams=[],
    )
    with serve(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        assert "Telemetry</h2>" not in client.get("/status/").text
        assert "telemetry" not in client.get("/metrics").text
        assert client.get("/api/telemetry").json()["configured"] is False
