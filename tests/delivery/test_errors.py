"""A failure says whether it is of the message or of the sink."""

from __future__ import annotations

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError


def test_what_a_failure_says() -> None:
    refused = MessageRefusedError("too large", final=True)
    assert (str(refused), refused.final, MessageRefusedError("later").final) == ("too large", True, False)
    away = SinkUnavailableError("closed", 30.0)
    assert (str(away), away.retry_after, SinkUnavailableError("closed").retry_after) == ("closed", 30.0, None)
