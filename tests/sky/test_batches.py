"""Waiting for batches under way."""

from __future__ import annotations

import threading
import time

import pytest

from broker_assets.database import engine
from broker_assets.sky.batches import BatchesDoNotEnd, begin_batch, wait_for_batches

pytestmark = pytest.mark.database


def test_a_rematch_waits_for_batches_that_began_before(database_url: str) -> None:
    with (
        engine.connect(database_url) as batch,
        engine.connect(database_url) as later,
        engine.connect(database_url, autocommit=True) as waiting,
    ):
        wait_for_batches(waiting, seconds=0.0)
        begin_batch(batch)
        with pytest.raises(BatchesDoNotEnd, match="1 batch"):
            wait_for_batches(waiting, seconds=0.1)
        ended: list[float] = []
        thread = threading.Thread(target=lambda: (wait_for_batches(waiting), ended.append(time.monotonic())))
        thread.start()
        time.sleep(0.3)
        begin_batch(later)  # a new batch neither waits nor is waited for
        assert not ended
        batch.commit()
        thread.join(10)
        assert ended
