"""The sources of the settings: where they go and what they have."""

from __future__ import annotations

from pathlib import Path

import pytest
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


def test_the_table_of_a_web_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from broker_assets.telemetry.fetching import sources

    def update(path: Path, url: str, *, seconds: float, strict: bool) -> int:
        assert strict
        if "down" in url:
            raise OSError("HTTP 503")
        path.write_text("_id\n1\n")
        return 1

    monkeypatch.setattr(sources, "update", update)
    for url in ("https://requests.example/down/", "https://requests.example/"):
        settings = TelemetrySettings.model_validate(
            {"requests": tmp_path / "requests.csv", "sources": [{"input": "request_table", "url": url}]}
        )
        (one,) = named_sources(settings, tmp_path)
        assert one.version() is None
        if "down" in url:
            with pytest.raises(FetchError, match="HTTP 503"):
                one.fetch()
        else:
            assert one.fetch().new == ["requests.csv"]
            assert one.fetch().new == []
