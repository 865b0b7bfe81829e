"""Where settings come from, what takes precedence, and that secrets are not shown."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from broker_assets import settings
from broker_assets.settings import DatabaseSettings, InputLimits, Settings, load_settings

TOML = """
home = "/from/the/file"
[server]
dagster_port = 3333
[drain]
batch_max = 77
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file that the process is pointed to."""
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    monkeypatch.setenv("BROKER_SETTINGS", str(path))
    monkeypatch.delenv("BROKER_HOME", raising=False)
    return path


def test_arguments_before_environment_before_file_before_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().home == Path("/from/the/file")
    monkeypatch.setenv("BROKER_HOME", "/from/the/environment")
    assert Settings().home == Path("/from/the/environment")
    assert Settings(home=Path("/from/an/argument")).home == Path("/from/an/argument")
    assert Settings().server.dagster_port == 3333
    assert Settings().server.host == "127.0.0.1"


def test_nested_names_are_joined_by_two_underscores(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One value of a group does not drop the others of the file."""
    monkeypatch.setenv("BROKER_SERVER__API_PORT", "8888")
    monkeypatch.setenv("BROKER_STREAMS", '[{"topic": "mine", "survey": "ztf", "framing": "container"}]')
    found = Settings()
    assert (found.server.dagster_port, found.server.api_port) == (3333, 8888)
    assert [stream.topic for stream in found.streams] == ["mine"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('hme = "/typo"', "hme"),
        ("[server]\ndagster_port = 'many'", "server.dagster_port"),
        ("[server]\ndatabase_connections = 0", "server.database_connections"),
        ('[[streams]]\ntopic = "a"\nsurvey = "unheard of"\nframing = "bare"', "streams.0.survey"),
    ],
)
def test_wrong_settings_are_refused(file: Path, text: str, place: str) -> None:
    file.write_text(text)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [".".join(map(str, error["loc"])) for error in refused.value.errors()] == [place]


def test_folders_follow_from_home(file: Path) -> None:
    found = Settings(home=Path("/state"))
    assert found.archive == "file:///state/archive"
    assert (found.sky, found.telemetry_folder) == (Path("/state/sky"), Path("/state/telemetry"))
    named = Settings(home=Path("/state"), archive_url="s3://bucket/prefix", sky_folder=Path("/shared/sky"))
    assert (named.archive, named.sky) == ("s3://bucket/prefix", Path("/shared/sky"))


def test_secrets_are_not_printed(file: Path) -> None:
    url = "postgresql+psycopg://me:very-secret@host/broker"
    found = Settings(database=DatabaseSettings(url=url))  # type: ignore[arg-type]
    assert "very-secret" not in repr(found)
    assert "very-secret" not in found.model_dump_json()
    assert found.database.url is not None
    assert found.database.url.get_secret_value() == url


def test_settings_of_a_process_are_read_once(file: Path) -> None:
    load_settings.cache_clear()
    first = load_settings()
    file.write_text('home = "/another"')
    assert load_settings() is first
    load_settings.cache_clear()
    assert load_settings().home == Path("/another")
    load_settings.cache_clear()


def test_every_limit_that_a_message_names_is_a_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "broker_assets").rglob("*.py")]
    named = {name for text in sources for name in re.findall(r"BROKER_LIMITS__([A-Z_]+)", text)}
    named |= {name.upper() for text in sources for name in re.findall(r'\bunpacked\([^"]*"([a-z_]+)"\)', text)}
    assert {"SKY_MAP_BYTES", "AREA_BYTES", "TNS_ROWS"} <= named
    documented = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for name in named | {field.upper() for field in InputLimits.model_fields}:
        assert f"`{name}`" in documented, name
        monkeypatch.setenv(f"BROKER_LIMITS__{name}", "7")
        assert getattr(Settings().limits, name.lower()) == 7


def test_the_documented_moving_lists_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[2] / "docs" / "matching.md").read_text()
    [example] = [block for block in re.findall(r"```toml\n(.*?)```", document, re.DOTALL) if "notices.lists" in block]
    path = tmp_path / "lists.toml"
    path.write_text(example + '[notices.kafka]\nbootstrap_servers = "gcn.example:9092"\n')
    monkeypatch.setenv("BROKER_SETTINGS", str(path))
    settings = Settings()
    assert [one.name for one in settings.notices.lists] == ["swift", "X-ray", "neutrinos"]
    locations = settings.moving_list_locations()
    assert {location.cluster.bootstrap_servers for location in locations.values()} == {"gcn.example:9092"}
    assert {location.name for location in settings.locations()} >= set(locations)


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ([{"name": "a", "topics": ["t"]}, {"name": "b", "topics": ["t"]}], "two lists read the topic 't'"),
        ([{"name": "a", "topics": ["t"]}, {"name": "A ", "topics": ["u"]}], "two lists are called 'a'"),
        ([{"name": "a", "topics": []}], "topics"),
        ([{"name": "a", "topics": ["t"], "days": 3}], "days"),
        ([{"name": "a", "topics": ["t"], "containment": 90}], "containment"),
    ],
)
def test_moving_lists_that_cannot_be_are_refused(lists: list[dict[str, object]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(notices={"lists": lists})  # type: ignore[arg-type]


def groups_of_settings() -> set[type[BaseModel]]:
    """All groups of settings, from the modules that declare them."""
    package = Path(settings.__path__[0])
    modules = [importlib.import_module(f"broker_assets.settings.{path.stem}") for path in package.glob("*.py")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    return {value for value in found if issubclass(value, BaseModel) and value.__module__.startswith("broker_assets.")}


def test_every_setting_is_read_somewhere() -> None:
    package = Path(settings.__path__[0]).parent
    read = set()
    for path in package.rglob("*.py"):
        read |= set(re.findall(r"\.([a-z]\w*)", path.read_text()))
    by_name = {f"most_{what}" for what in ("filters", "watchlists", "cones", "areas", "targets")}  # access/quotas.py
    groups = groups_of_settings()
    assert len(groups) > 20
    unread = [f"{group.__name__}.{name}" for group in groups for name in group.model_fields if name not in read]
    assert sorted(unread) == sorted(f"AccessSettings.{name}" for name in by_name)


def sections(kind: Any, found: set[type[BaseModel]] | None = None) -> set[type[BaseModel]]:
    """The models that a type is made of, at any depth."""
    found = set() if found is None else found
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.add(kind)
        for field in kind.model_fields.values():
            sections(field.annotation, found)
    for part in get_args(kind):
        sections(part, found)
    return found


def test_no_section_accepts_a_name_that_it_does_not_have() -> None:
    """A misspelt setting would have no effect, and nothing would say so."""
    found = sections(Settings)
    assert len(found) > 40
    assert {one.__name__ for one in found if one.model_config.get("extra") != "forbid"} == set()


@pytest.mark.parametrize("name", ["BROKER_DRAIN__IDLE_SECOND", "BROKER_TRACES__ENABLED", "BROKER_TELEMETRY__SOURCE"])
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ValidationError, match=name.removeprefix("BROKER_").lower().replace("__", r"\.")):
        Settings()
