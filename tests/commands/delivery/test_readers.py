"""`broker-assets delivery readers`; `delivery/test_readers` shows what the users may do."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import invoke

pytestmark = pytest.mark.kafka


def test_a_kafka_without_users_refuses_with_the_reason(kafka: str, tmp_path: Path) -> None:
    given = {"BROKER_HOME": str(tmp_path), "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka}
    done = invoke("delivery", "readers", "open", folder=tmp_path, columns=200, **given)
    assert done.returncode != 0
    assert "authorizer" in done.stderr
