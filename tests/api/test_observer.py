"""The state of the platform is looked at once for many readers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from broker_assets.api import observer
from broker_assets.api.observer import Observer
from broker_assets.settings import KafkaSettings, Settings


@pytest.fixture
def watcher(tmp_path: Path) -> Observer:
    """Of a platform that has no server at all."""
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": "200"})
    return Observer(Settings(home=tmp_path, kafka=kafka))


def test_readers_at_once_get_the_same_look(watcher: Observer) -> None:
    found = []
    readers = [threading.Thread(target=lambda: found.append(watcher.status())) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len({id(status) for status in found}) == 1
    assert found[0].healthy is False


def test_a_look_that_is_old_is_taken_again(watcher: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "FRESH", 0.0)
    first, second = watcher.status(), watcher.status()
    assert first is not second
    assert second.at > first.at


def test_telemetry_keeps_longer(watcher: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "FRESH", 0.0)
    assert watcher.telemetry() is watcher.telemetry()
