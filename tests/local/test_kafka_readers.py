"""Ports and password of the listeners for readers stay over restarts; `delivery/test_readers` runs the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.local.kafka_readers import ReaderListeners, environment, folder_of, prepare
from broker_assets.settings import Settings
from broker_assets.settings.delivery import DeliverySettings, ReaderSettings


def test_ports_and_password_stay(tmp_path: Path) -> None:
    first, second = ReaderListeners(tmp_path), ReaderListeners(tmp_path)
    first.choose_ports()
    second.choose_ports()
    assert (first.public, first.private) == (second.public, second.private)
    assert first.client() == second.client()
    assert first.password_file.stat().st_mode & 0o077 == 0
    properties = first.properties(1, 2)
    assert "PUBLIC:PLAINTEXT" in properties["listener.security.protocol.map"]
    assert all(address.partition("://")[2].startswith("127.0.0.1:") for address in properties["listeners"].split(","))


def test_the_settings_of_our_clients_are_those_of_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    prepare(settings)
    assert environment(settings) == {}, "it is not wanted"
    wanted = Settings(home=tmp_path, delivery=DeliverySettings(readers=ReaderSettings(embedded=True)))
    assert environment(wanted) == {}
    prepare(wanted)
    for name, value in environment(wanted).items():
        monkeypatch.setenv(name, value)
    listeners = ReaderListeners(folder_of(wanted))
    listeners.choose_ports()
    found = Settings(home=tmp_path)
    assert found.delivery_cluster.properties() == listeners.client()
    assert found.delivery.readers.public == listeners.public
    assert found.delivery.readers.access_control
