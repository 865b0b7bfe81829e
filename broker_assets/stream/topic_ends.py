"""Asks brokers for the ends of many topics at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from broker_assets.settings import StreamLocation
from broker_assets.stream.messages import SourceError, StreamEnds, TopicAbsentError

ASKED_AT_ONCE: Final = 8
"""Most topics for which brokers are asked at the same time."""

Ends = Callable[[StreamLocation, Mapping[int, int]], StreamEnds]
"""Asks a broker where a topic ends; raises `SourceError`."""


def ask_ends(
    positions: Mapping[str, Mapping[int, int]], location: Callable[[str], StreamLocation], ends: Ends
) -> tuple[dict[str, StreamEnds], dict[str, str]]:
    """Ask where the topics of streams end.

    Parameters
    ----------
    positions : mapping of str to mapping of int to int
        Committed positions by name of the stream.
    location : callable
        Location of a stream; raises LookupError if the settings do not have it.
    ends : callable
        Asks a broker; called from several threads.

    Returns
    -------
    ends : dict of str to StreamEnds
        End offsets by name; topics that do not exist are left out.
    problems : dict of str to str
        Why the end of a stream is unknown, by name.
    """

    def ask(name: str) -> StreamEnds | Exception:
        try:
            return ends(location(name), positions[name])
        except (SourceError, LookupError) as error:
            return error

    with ThreadPoolExecutor(max_workers=ASKED_AT_ONCE) as pool:
        answers = dict(zip(positions, pool.map(ask, positions), strict=True))
    found = {name: answer for name, answer in answers.items() if isinstance(answer, StreamEnds)}
    problems = {
        name: str(answer) for name, answer in answers.items() if not isinstance(answer, StreamEnds | TopicAbsentError)
    }
    return found, problems
