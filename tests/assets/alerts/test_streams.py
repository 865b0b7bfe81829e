"""Streams as external assets, and the names of their drain runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster import RunConfig, validate_run_config
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.assets.alerts.streams import alert_streams, drain_config, drain_tag, stream_key
from broker_assets.build import build_defs
from broker_assets.settings import Settings


def stream(name: str | None = None, **more: Any) -> Any:
    return {"topic": "alerts", "survey": "rubin", "framing": "confluent", **({"name": name} if name else {}), **more}


def test_a_stream_is_an_asset_under_its_own_name(tmp_path: Path) -> None:
    near = {"bootstrap_servers": "usdf:9094", "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}
    near |= {"username": "ada", "password": "secret"}
    settings = Settings(home=tmp_path, streams=[stream("near", kafka=near), stream("far")])
    specs = {spec.key: spec for spec in alert_streams(settings)}
    assert specs.keys() == {stream_key("near"), stream_key("far")}
    assert specs[stream_key("near")].metadata["kafka"] == "usdf:9094"
    assert specs[stream_key("far")].metadata["kafka"] == "the embedded broker"
    assert "secret" not in repr([spec.metadata for spec in specs.values()])


@given(st.sets(st.integers(0, 30), min_size=1), st.sets(st.integers(0, 30), min_size=1))
def test_tags_are_those_of_a_set_of_partitions(one: set[int], two: set[int]) -> None:
    assert drain_tag("alerts", sorted(one)) == drain_tag("alerts", sorted(one, reverse=True))
    assert (drain_tag("alerts", [*one]) == drain_tag("alerts", [*two])) == (one == two)


def test_the_configuration_is_that_of_the_job(tmp_path: Path) -> None:
    definitions = build_defs(settings=Settings(home=tmp_path, streams=[stream()]))
    job = definitions.resolve_job_def("drain")
    assert validate_run_config(job, RunConfig(drain_config("alerts", [0, 1])["ops"]).to_config_dict())
