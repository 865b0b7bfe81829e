"""Wrong names of settings are refused, wherever they are given, with the name that was probably meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from setting_names import setting_variables

from broker_assets.settings import Settings, WrongSettingsError, load_settings
from broker_assets.settings.names import unknown_variables


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set but what a test sets."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal() -> str:
    load_settings.cache_clear()
    with pytest.raises(WrongSettingsError) as refused:
        load_settings()
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("BROKER_DATABSE__URL", "BROKER_DATABASE__URL"),
        ("BROKER_DATABASE_URL", "BROKER_DATABASE__URL"),
        ("BROKER__DATABASE__URL", "BROKER_DATABASE__URL"),
        ("BROKER_DATABASE__DAGSTERURL", "BROKER_DATABASE__DAGSTER_URL"),
        ("BROKER_HOMES", "BROKER_HOME"),
        ("BROKER_ARCHIVE__URL", "BROKER_ARCHIVE_URL"),
        ("BROKER_SERVER__API__PORT", "BROKER_SERVER__API_PORT"),
        ("BROKER_STREAM__RUBIN__TOPIC", "BROKER_STREAMS__RUBIN__TOPIC"),
        ("BROKER_ANNOTATIONS__CLUSTERS__FINK__BOOTSTRAP", "BROKER_ANNOTATIONS__CLUSTERS__FINK__BOOTSTRAP_SERVERS"),
    ],
)
def test_the_variable_that_was_meant_is_named(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    monkeypatch.setenv(given, "hush-hush")
    assert refusal() == f"{given} is not a setting; did you mean {meant}?"


def test_a_part_of_a_stream_is_named_by_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOPIC": "a", "SURVEY": "ztf", "FRAMING": "container", "KAFKA__PASWORD": "hush"}.items():
        monkeypatch.setenv(f"BROKER_STREAMS__MINE__{name}", value)
    meant = "BROKER_STREAMS__MINE__KAFKA__PASSWORD"
    assert refusal() == f"BROKER_STREAMS__MINE__KAFKA__PASWORD is not a setting; did you mean {meant}?"


def test_every_setting_with_a_mistyped_section_or_separator_is_noticed() -> None:
    """Of each setting there is: a letter less in its section, and its separators as single underscores."""
    nested = [name for name in setting_variables() if "__" in name]
    assert len(nested) > 300
    assert unknown_variables(Settings, dict.fromkeys(nested)) == []
    for name in nested:
        section, _, rest = name.partition("__")
        mistyped = [f"{section[:-1]}__{rest}", f"{section.lower()[:-1]}__{rest.lower()}"]
        if "__ONE__" not in name:
            mistyped.append(name.replace("__", "_"))
        for wrong in mistyped:
            assert unknown_variables(Settings, {wrong: "x"}) == [wrong.lower().removeprefix("broker_")], wrong


def test_variables_of_other_programs_are_left_alone() -> None:
    """Those of our client, our files of Compose and our tests; what Kubernetes and Docker add for a service."""
    ours = {
        f"BROKER_{name}": "x" for name in ("SETTINGS", "DEBUG", "URL", "TOKEN", "USER", "PASSWORD", "IMAGE", "PG_USER")
    }
    services = {
        "BROKER_DATABASE_SERVICE_HOST": "10.0.0.1", "BROKER_DATABASE_SERVICE_PORT_SQL": "5432",
        "BROKER_SERVER_API_PORT": "tcp://10.0.0.1:80", "BROKER_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    tests = {"BROKER_TEST_DATABASE_URL": "postgresql://", "BROKER_FAULT_SEED": "1"}
    assert unknown_variables(Settings, ours | services | tests | {"OTHER_DATABSE__URL": "x"}) == []
    assert unknown_variables(Settings, {"BROKER_SERVER_API_PORT": "8000"}) == ["server_api_port"]


def test_places_in_the_file_and_all_faults_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('[databse]\nurl = "hush"\n[drain]\nbatch_max = "hush"\n[server]\nunheard_of_thing = 3\n')
    monkeypatch.setenv("BROKER_TNS", '{"ky": "hush"}')
    text = refusal()
    assert "hush" not in text
    assert "databse in broker.toml is not a setting; did you mean database?" in text
    assert "drain.batch_max in broker.toml: Input should be a valid integer" in text
    assert "server.unheard_of_thing in broker.toml is not a setting" in text
    assert "BROKER_TNS (ky) is not a setting; did you mean BROKER_TNS__KEY?" in text
