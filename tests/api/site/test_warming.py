"""What the first page needs is loaded in the background, once, and never ends a server."""

from __future__ import annotations

import threading

import pytest

from broker_assets.api.site import warming


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(warming, "_warm", threading.Event())
    monkeypatch.setattr(warming, "_once", threading.Lock())


def test_it_runs_once_and_does_not_keep_the_process() -> None:
    thread = warming.warm_in_background()
    assert thread is not None
    assert thread.daemon
    assert warming.warm_in_background() is None
    thread.join(300)
    assert warming.warm_in_background() is None


def test_what_cannot_be_loaded_is_in_the_log_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise OSError("no font")

    monkeypatch.setattr(warming, "warm", broken)
    thread = warming.warm_in_background()
    assert thread is not None
    thread.join(60)
    assert "could not be loaded ahead" in caplog.text
    again = warming.warm_in_background()  # nothing is loaded yet: it is tried again
    assert again is not None
    again.join(60)
