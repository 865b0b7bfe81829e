"""The sources of the settings: where they go and what they have."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from http_peer import HttpPeer
from input_sources import repository

from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.fetching.sources import named_sources
from broker_assets.telemetry.fetching.zips import FetchError


def test_sources_know_whether_something_is_new(tmp_path: Path) -> None:
    there = tmp_path / "there"
    (there / "mk").mkdir(parents=True)
    (there / "mk" / "a.tm").write_text("x")
    conf = repository(tmp_path / "conf", {"a": "1"}, "v1")
    settings = TelemetrySettings.model_validate(
        {
            "kernels": tmp_path / "kernels",
            "configuration": tmp_path / "configuration",
            "sources": [
                {"input": "spice_kernels", "url": there.as_uri()},
                {"input": "spice_kernels", "url": str(tmp_path / "other")},
                {"input": "instrument_configuration", "url": f"git+{conf.as_uri()}"},
                {"input": "observation_plan", "url": there.as_uri()},
            ],
        }
    )
    kernels, other, configuration, plans = named_sources(settings, tmp_path / "telemetry")
    assert [one.name for one in (kernels, other)] == ["spice_kernels", "spice_kernels_2"]
    for one in (kernels, configuration):
        assert one.version() != one.last.version
        one.fetch()
        assert one.version() == one.last.version
        assert one.fetch().new == []
    assert (tmp_path / "configuration" / "VERSION.TXT").read_text() == "v1\n"
    with pytest.raises(FetchError, match="does not exist"):
        other.version()
    with pytest.raises(FetchError, match="BROKER_TELEMETRY__PLANNING"):
        plans.fetch()


def test_the_table_of_a_web_service(tmp_path: Path) -> None:
    table = tmp_path / "requests.csv"
    now = datetime.datetime.now(datetime.UTC)
    known = f"_id,unique_id,start_utc\n1,7,{now:%Y-%m-%dT%H:%M:%S}\n"
    table.write_text(known)
    with HttpPeer() as service:
        settings = TelemetrySettings.model_validate(
            {"requests": table, "sources": [{"input": "request_table", "url": f"{service.url}/"}]}
        )
        (one,) = named_sources(settings, tmp_path)
        assert one.version() is None
        service.answers = [(503, {}, b"")]
        with pytest.raises(FetchError, match="HTTP 503"):
            one.fetch()
        assert table.read_text() == known
        more = known.replace("\n1,", "\n2,").encode()
        service.answers = [(200, {}, more)]
        assert one.fetch().new == ["requests.csv"]
        assert table.read_text() == known + more.decode().partition("\n")[2]
        service.answers = [(200, {}, more)]
        assert one.fetch().new == []
