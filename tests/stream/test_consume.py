"""Batches bounded by number, bytes and time."""

from __future__ import annotations

import time
from types import ModuleType

from broker_assets.stream.consume import FIRST_SLICE_MESSAGES, BatchPoller


def never() -> bool:
    """Nobody asks to stop."""
    return False


def poller(packets: ModuleType, values: list[bytes], **bounds: float) -> BatchPoller:
    """Over a list."""
    source = packets.ListSource.of(values)
    source.assign({0: 0})
    return BatchPoller(source, **{"max_messages": 100, "max_bytes": 10**6, "seconds": 0.2, **bounds})  # type: ignore[arg-type]


def test_number(packets: ModuleType) -> None:
    """Never more than the maximum, nothing left out, in order."""
    poll = poller(packets, [b"x"] * 250)
    batches = [poll.poll(never) for _ in range(3)]
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert [message.offset for batch in batches for message in batch] == list(range(250))


def test_bytes_are_exceeded_by_one_message_at_most(packets: ModuleType) -> None:
    """Sizes are learnt from what came before."""
    poll = poller(packets, [b"x" * 70_000] * 200, max_messages=1000)
    poll.poll(never)
    for _ in range(5):
        size = sum(len(message.value) for message in poll.poll(never))
        assert 10**6 <= size < 10**6 + 70_000


def test_first_request_is_small(packets: ModuleType) -> None:
    """As long as no message is known they may all be giants."""
    poll = poller(packets, [b"x" * 10**6] * 50, max_bytes=2 * 10**6)
    assert len(poll.poll(never)) <= FIRST_SLICE_MESSAGES


def test_one_giant_does_not_slow_the_rest(packets: ModuleType) -> None:
    """After some batches of small messages requests are large again."""
    poll = poller(packets, [b"x" * 10**7, *[b"x"] * 5000], max_messages=50)
    sizes = [len(poll.poll(never)) for _ in range(60)]
    assert sizes[0] <= FIRST_SLICE_MESSAGES
    assert sizes[-1] == 50


def test_time_runs_from_the_first_message(packets: ModuleType) -> None:
    """A batch that is not full is given after its time, an empty one as well."""
    began = time.monotonic()
    assert len(poller(packets, [b"x"] * 3).poll(never)) == 3
    assert poller(packets, []).poll(never) == []
    assert 0.35 < time.monotonic() - began < 2.0


def test_stop_gives_what_there_is(packets: ModuleType) -> None:
    """Asked to stop, it does not wait."""
    poll = poller(packets, [b"x"] * 3, seconds=60.0)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    assert len(poll.poll(stop)) == 3
