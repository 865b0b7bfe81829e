"""Batches on their way: their order, what a failure stops, and what is said of it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.stream.errors import BatchError
from broker_assets.stream.messages import Message
from broker_assets.stream.pipeline import Pipeline
from broker_assets.stream.spent import Spent

STAGES = ("decode", "archive", "enrich", "complete", "commit")


def messages(number: int) -> list[Message]:
    return [Message(0, 10 * number + offset, -1, None, b"payload") for offset in range(2)]


class Stages:
    """Notes what is called with which batch, one number each, and fails where it is told to."""

    def __init__(self, *, seed: int = 0, failing: dict[tuple[str, int], Exception] | None = None) -> None:
        self.calls: dict[str, list[int]] = {stage: [] for stage in STAGES}
        self._random = random.Random(seed)
        self._failing = failing or {}

    def _do(self, stage: str, number: int) -> None:
        self.calls[stage].append(number)
        time.sleep(self._random.random() * 0.003)
        if (stage, number) in self._failing:
            raise self._failing[stage, number]

    def pipeline(self) -> Pipeline:
        def decode(batch: Any) -> Any:
            number = batch[0].offset // 10
            self._do("decode", number)
            return number

        def archive(number: Any) -> Any:
            self._do("archive", number)
            return SimpleNamespace(number=number, spent={})

        def enrich(number: Any) -> Any:
            self._do("enrich", number)
            return number

        def complete(number: Any, begun: Any) -> Any:
            assert number == begun
            self._do("complete", number)
            return begun

        def commit(batch: Any, enriched: Any) -> Any:
            assert batch.number == enriched
            self._do("commit", batch.number)
            return batch.number, batch.spent

        return Pipeline(decode, archive, enrich, complete, commit)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(0, 5), st.integers(0, 2**16))
def test_every_batch_passes_every_stage_in_order(count: int, leave: int, seed: int) -> None:
    stages = Stages(seed=seed)
    done: list[Any] = []
    with stages.pipeline() as pipeline:
        for number in range(count):
            pipeline.submit(messages(number), read=Spent(number / 2))
            done.extend(pipeline.completed(leave=leave))
            assert len(pipeline) <= leave
        done.extend(pipeline.completed(leave=0))
    assert done == [(number, {"consume": Spent(number / 2)}) for number in range(count)]
    assert stages.calls == {stage: list(range(count)) for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_committed_after_a_failure(stage: str) -> None:
    stages = Stages(failing={(stage, 2): ValueError("a packet")})
    done: list[Any] = []
    with stages.pipeline() as pipeline:
        for number in range(6):
            pipeline.submit(messages(number), Spent())
        with pytest.raises(BatchError, match="2 messages from partition 0 offset 20") as raised:
            done.extend(pipeline.completed(leave=0))
        assert isinstance(raised.value.__cause__, ValueError)
        assert [message.value for message in raised.value.messages] == [b"", b""], "payloads are not kept"
        time.sleep(0.05)
    assert [number for number, _ in done] in ([], [0], [0, 1])
    assert [number for number in stages.calls["commit"] if number > 2] == []


@pytest.mark.parametrize("error", [ConnectionResetError("away"), OSError(28, "full"), StaleStreamPosition("moved")])
def test_failures_of_the_surroundings_are_raised_as_they_are(error: Exception) -> None:
    """They say nothing of the batch."""
    stages = Stages(failing={("archive", 0): error})
    with stages.pipeline() as pipeline:
        pipeline.submit(messages(0), Spent())
        with pytest.raises(type(error)) as raised:
            list(pipeline.completed(leave=0))
    assert raised.value is error


def test_batches_behind_a_failure_are_cancelled_and_not_blamed() -> None:
    stages = Stages(failing={("decode", 0): ValueError("a packet")})
    with stages.pipeline() as pipeline:
        for number in range(3):
            pipeline.submit(messages(number), Spent())
        with pytest.raises(BatchError):
            list(pipeline.completed(leave=0))
        with pytest.raises(CancelledError):
            list(pipeline.completed(leave=0))


def test_archiving_and_enriching_of_a_batch_go_on_side_by_side() -> None:
    """Each waits for the other: one after the other would never end."""
    both = threading.Barrier(2, timeout=20)

    def meet(value: Any) -> Callable[[Any], Any]:
        def stage(number: Any) -> Any:
            both.wait()
            return value(number)

        return stage

    pipeline = Pipeline(
        len,  # type: ignore[arg-type]
        meet(lambda number: SimpleNamespace(number=number, spent={})),
        meet(lambda number: number),
        lambda _, begun: begun,
        lambda batch, enriched: (batch.number, enriched),  # type: ignore[attr-defined, arg-type, return-value]
    )
    with pipeline:
        pipeline.submit(messages(0), Spent())
        done: list[Any] = list(pipeline.completed(leave=0))
    assert done == [(2, 2)]


def test_a_batch_is_completed_while_the_next_is_enriched() -> None:
    """The first is completed only when the second has been enriched."""
    second = threading.Event()

    def enrich(number: Any) -> Any:
        if number == 1:
            second.set()
        return number

    def complete(_: Any, begun: Any) -> Any:
        assert second.wait(20)
        return begun

    numbers = iter(range(2))
    pipeline = Pipeline(
        lambda _: next(numbers),  # type: ignore[arg-type, return-value]
        lambda number: SimpleNamespace(number=number, spent={}),  # type: ignore[arg-type, return-value]
        enrich,
        complete,
        lambda batch, enriched: (batch.number, enriched),  # type: ignore[attr-defined, arg-type, return-value]
    )
    with pipeline:
        for number in range(2):
            pipeline.submit(messages(number), Spent())
        done: list[Any] = list(pipeline.completed(leave=0))
    assert done == [(0, 0), (1, 1)]
