"""Many streams at once: what is read of each, what fails of one alone, and when the run ends."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from broker_assets.stream.messages import SourceError
from broker_assets.stream.streams_run import StreamsRun, read_streams


@dataclass
class Read:
    """What reading a stream gave."""

    received: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    latency: list[float] = field(default_factory=list)


def test_streams_are_read_side_by_side_until_nothing_waits() -> None:
    both = threading.Barrier(2, timeout=20)
    looks = iter([(["a", "b"], True), ([], False), ([], False)])

    def read(name: str) -> Read:
        both.wait()
        return Read(2, Counter({name: 1}), [0.5])

    run: StreamsRun[Read] = StreamsRun()
    read_streams(run, lambda _: next(looks, ([], False)), read, goes_on=lambda: True, idle_seconds=0.1)
    assert run.read == {name: Read(2, Counter({name: 1}), [0.5]) for name in ("a", "b")}
    assert run.count("received") == 4
    assert run.problems == {}


def test_what_a_stream_gives_is_added_and_its_problem_ends() -> None:
    run: StreamsRun[Read] = StreamsRun(problems={"a": "away", "b": "away"})
    run.add("a", Read(2, Counter(odd=1), [0.5]))
    run.add("a", Read(3, Counter(odd=1, late=2), [1.5]))
    assert run.read == {"a": Read(5, Counter(odd=2, late=2), [0.5, 1.5])}
    assert run.problems == {"b": "away"}


def test_a_stream_that_cannot_be_read_stops_no_other() -> None:
    def read(name: str) -> Read:
        if name == "away":
            raise SourceError("no broker")
        if name == "odd":
            raise KeyError("its annotator")
        if name == "refused":
            raise PermissionError("its key")
        return Read(1)

    run: StreamsRun[Read] = StreamsRun()
    looks = iter([(["away", "odd", "refused", "good"], False)])
    read_streams(run, lambda _: next(looks, ([], False)), read, goes_on=lambda: True, idle_seconds=0.1)
    assert run.read == {"good": Read(1)}
    assert run.problems == {"away": "no broker", "odd": "'its annotator'", "refused": "its key"}


def test_another_failure_ends_the_run_unless_it_is_of_a_stream() -> None:
    def read(name: str) -> Read:
        raise ZeroDivisionError(name)

    run: StreamsRun[Read] = StreamsRun()
    with pytest.raises(ZeroDivisionError):
        read_streams(run, lambda _: (["a"], False), read, goes_on=lambda: True, idle_seconds=0.1)
    looks = iter([(["a"], False)])
    read_streams(
        run,
        lambda _: next(looks, ([], False)),
        read,
        goes_on=lambda: True,
        idle_seconds=0.1,
        refused=(ZeroDivisionError,),
    )
    assert run.problems == {"a": "a"}


def test_a_run_that_is_to_end_finishes_what_is_being_read() -> None:
    begun, over = threading.Event(), threading.Event()
    seen: list[Collection[str]] = []

    def look(being_read: Collection[str]) -> tuple[Collection[str], bool]:
        seen.append(list(being_read))
        return ["a"], True

    def read(name: str) -> Read:
        begun.set()
        assert over.wait(20)
        return Read(1)

    def goes_on() -> bool:
        if begun.is_set():
            over.set()
        return not begun.is_set()

    run: StreamsRun[Read] = StreamsRun()
    read_streams(run, look, read, goes_on=goes_on, idle_seconds=None)
    assert run.read == {"a": Read(1)}
    assert seen == [[]]
