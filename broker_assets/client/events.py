"""Server-sent events, read line by line (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """An event."""

    name: str
    """match, trial or query; empty for a mere position in the stream."""
    data: dict[str, Any]
    identifier: str = ""
    """Its position in the stream, from which to continue; empty for trials and queries."""


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """Parse a stream of lines.

    Examples
    --------
    >>> list(read_events(["id: 1-2-3-4", "event: match", 'data: {"a":1}', "", ": nothing new", ""]))
    [Event(name='match', data={'a': 1}, identifier='1-2-3-4')]
    """
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            yield Event(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", ""))
        elif "id" in fields:
            # A position without an event: where the stream begins.
            yield Event("", {}, fields["id"])
        fields = {}
