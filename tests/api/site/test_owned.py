"""What pages of owned things have in common."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from broker_assets.api.site.owned import parted, said


@dataclass(frozen=True)
class Thing:
    owner: str
    public: bool = False


def test_things_are_parted_by_whose_they_are() -> None:
    user: Any = SimpleNamespace(username="ann")
    mine, open_, group, system = Thing("ann", True), Thing("bob", True), Thing("bob"), Thing("system")
    found = parted(user, [mine, open_, group, system])
    assert found == {"own": [mine], "shared": [group], "public": [open_, system]}
    assert parted(None, [open_])["public"] == [open_]


def test_only_known_words_are_said() -> None:
    assert said("saved") == "The changes are saved."
    assert said("<script>") == said(None) == ""
