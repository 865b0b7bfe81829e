"""How xdist distributes the tests: whole platforms one after the other to one worker, other files to any worker.

A test marked `platform` starts a daemon, a code server and more, and then mostly waits for them. Two platforms at once
would compete for the processors; one of them, in parallel with workers that compute, costs no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

MARK = "platform"


@cache
def _of_platforms(file: Path) -> bool:
    return f"pytest.mark.{MARK}" in file.read_text(encoding="utf-8")


class PlatformsApart(LoadScopeScheduling):
    """The tests of a file stay together, and so do those of all whole platforms."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # `platforms_first` has sorted them

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return MARK if _of_platforms(self.config.rootpath / file) else file


def platforms_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests in their order, those of whole platforms first: together they take longest."""
    return sorted(items, key=lambda item: not _of_platforms(item.path))
