"""What the first page needs is loaded in the background, once, and never ends a server."""

from __future__ import annotations

import pytest

from broker_assets.api.site.warming import Warming, warm


def test_it_runs_once_and_does_not_keep_the_process() -> None:
    warming = Warming(warm)
    thread = warming.start()
    assert thread is not None
    assert thread.daemon
    assert warming.start() is None
    thread.join(300)
    assert warming.start() is None


def test_what_cannot_be_loaded_is_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise OSError("no font")

    warming = Warming(broken)
    thread = warming.start()
    assert thread is not None
    thread.join(60)
    assert "could not be loaded ahead" in caplog.text
    again = warming.start()  # nothing is loaded yet: it is tried again
    assert again is not None
    again.join(60)
