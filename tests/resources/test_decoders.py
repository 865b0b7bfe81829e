"""A registry per stream: each asks its own, once, with its own credentials, and trusts what its settings say."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import loopback_certificate
from schema_registry import Registry

from broker_assets.packets.registry import RegistryUnavailable, SchemaNotFound
from broker_assets.resources.decoders import Decoders
from broker_assets.settings import Settings

RUBIN = {"type": "record", "name": "rubin", "fields": [{"name": "x", "type": "long"}]}
FINK = {"type": "record", "name": "fink", "fields": [{"name": "y", "type": "long"}]}
ID = 7


@pytest.fixture
def registries() -> Iterator[tuple[Registry, Registry]]:
    """Two registries that give the same id to different schemas."""
    both = Registry(), Registry()
    for registry, schema in zip(both, (RUBIN, FINK), strict=True):
        registry.put(ID, schema, subject="alerts-value")
    yield both
    for registry in both:
        registry.close()


def stream(name: str, registry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    found = {"name": name, "topic": "alerts", "survey": "rubin", "framing": "confluent", "kafka": {}} | changes
    return found | {"kafka": found["kafka"] | {"registry": registry}}


def decoders(home: Path, *streams: dict[str, Any], **settings: Any) -> tuple[Settings, Decoders]:
    made = Settings(home=home, streams=streams, **settings)  # type: ignore[arg-type]
    return made, Decoders(made)


def test_each_stream_asks_its_own_registry_once(registries: tuple[Registry, Registry], tmp_path: Path) -> None:
    ours, theirs = registries
    theirs.credentials = ("me", "hunter2")
    elsewhere = {"url": theirs.url, "username": "me", "password": "hunter2"}
    settings, found = decoders(
        tmp_path,
        stream("rubin", {}),
        stream("rubin-again", {}),
        stream("fink", elsewhere),
        kafka={"bootstrap_servers": "kafka:9092", "registry": {"url": ours.url}},
    )
    for name, schema in (("rubin", RUBIN), ("rubin-again", RUBIN), ("fink", FINK)):
        assert found.schemas(settings.stream(name)).by_id(ID) == schema
        assert found.schemas(settings.stream(name)).for_topic("alerts") == schema
    assert ours.requests[f"/schemas/ids/{ID}"] == theirs.requests[f"/schemas/ids/{ID}"] == 1
    # Another process: what one stream has asked for is there for the other, and no registry's for another's.
    ours.failing = theirs.failing = [503] * 1000
    _, later = decoders(tmp_path, *(one.model_dump() for one in settings.streams), kafka=settings.kafka.model_dump())
    assert later.schemas(settings.stream("rubin-again")).by_id(ID) == RUBIN
    assert later.schemas(settings.stream("fink")).by_id(ID) == FINK


def test_a_registry_that_is_away_stops_no_stream_of_another(
    registries: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, theirs = registries
    settings, found = decoders(tmp_path, stream("rubin", {"url": ours.url}), stream("fink", {"url": theirs.url}))
    theirs.failing = [503] * 1000
    with pytest.raises(RegistryUnavailable, match=theirs.url):
        found.schemas(settings.stream("fink")).by_id(ID)
    assert found.schemas(settings.stream("rubin")).by_id(ID) == RUBIN


def test_wrong_credentials_are_the_registrys_refusal_and_not_shown(
    registries: tuple[Registry, Registry], tmp_path: Path
) -> None:
    ours, _ = registries
    ours.credentials = ("me", "right")
    (tmp_path / "password").write_text("hunter2\n")
    section = {"url": ours.url, "username": "me", "password_file": tmp_path / "password"}
    settings, found = decoders(tmp_path, stream("rubin", section))
    with pytest.raises(RegistryUnavailable, match="refuses our credentials") as caught:
        found.schemas(settings.stream("rubin")).by_id(ID)
    assert "hunter2" not in str(caught.value)
    (tmp_path / "password").write_text("right\n")
    assert found.schemas(settings.stream("rubin")).by_id(ID) == RUBIN
    (tmp_path / "password").unlink()
    with pytest.raises(RegistryUnavailable, match=r"credentials .* are missing: the file .*password cannot be read"):
        found.factory(settings.stream("rubin"))()


def test_a_registry_under_a_certificate_of_its_own(
    registries: tuple[Registry, Registry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = registries
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = loopback_certificate(tmp_path / "registry.pem")
    context.load_cert_chain(certificate)
    ours.serve_tls(context)
    settings, found = decoders(
        tmp_path,
        stream("trusting", {"url": ours.url, "ca_file": certificate}),
        stream("wary", {"url": ours.url}),
        stream("lost", {"url": ours.url, "ca_file": tmp_path / "gone.pem"}),
    )
    with pytest.raises(RegistryUnavailable, match=r"(?i)certificate"):
        found.schemas(settings.stream("wary")).by_id(ID)
    with pytest.raises(RegistryUnavailable, match=r"gone\.pem"):
        found.schemas(settings.stream("lost")).by_id(ID)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "of-something-else.pem"))
    assert found.schemas(settings.stream("trusting")).by_id(ID) == RUBIN


def test_a_stream_without_registry_knows_only_its_folder(tmp_path: Path) -> None:
    settings, found = decoders(tmp_path, stream("rubin", {}, schemas=str(tmp_path)))
    (tmp_path / "7.avsc").write_text('{"type": "record", "name": "a", "fields": []}')
    assert found.schemas(settings.stream("rubin")).by_id(ID)["name"] == "a"
    with pytest.raises(SchemaNotFound, match="no schema with id 8"):
        found.schemas(settings.stream("rubin")).by_id(8)
