"""What the server writes begins with the time, so that it can be found by day."""

from __future__ import annotations

import io
import logging

import pytest

from broker_assets.api import log_lines


@pytest.fixture
def loggers(monkeypatch: pytest.MonkeyPatch) -> tuple[logging.Logger, logging.Logger]:
    """A logger of the server and our own, without handlers."""
    server, own = logging.getLogger("uvicorn.access"), logging.getLogger("broker_assets")
    for logger in (*map(logging.getLogger, log_lines._SERVER), own):
        monkeypatch.setattr(logger, "handlers", [])
    return server, own


def test_lines_of_the_server_and_our_own_have_times(loggers: tuple[logging.Logger, logging.Logger]) -> None:
    server, own = loggers
    stream = io.StringIO()
    server.handlers = [logging.StreamHandler(stream)]
    log_lines.add_times()
    log_lines.add_times()
    assert len(own.handlers) == 1
    server.warning('%s - "%s %s" %d', "127.0.0.1", "GET", "/", 200)
    line = stream.getvalue()
    assert line[10:].startswith(" ")
    assert ' +0000 WARNING uvicorn.access: 127.0.0.1 - "GET /" 200' in line


def test_without_a_server_nothing_changes(
    loggers: tuple[logging.Logger, logging.Logger], monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest gives a handler of its own to loggers that a server of an earlier test has configured.
    for name in log_lines._SERVER:
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    log_lines.add_times()
    assert loggers[1].handlers == []
