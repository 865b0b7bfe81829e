"""Refused changes: a reason has one class, so that whoever catches it catches it for everything that is owned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broker_assets.access import refusals
from broker_assets.annotations import content
from broker_assets.api.v1.problems import translated

PACKAGE = Path(refusals.__file__).parents[1]
REASONS = [value for value in vars(refusals).values() if isinstance(value, type)]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusals.NotTheOwner("no"), "not-allowed"),
        (refusals.NameTaken("no"), "conflict"),
        (refusals.BadSetting("no"), "bad-request"),
    ],
)
def test_each_has_its_answer(error: Exception, kind: str) -> None:
    assert translated(error).kind == kind


def test_no_module_defines_its_own() -> None:
    defined = re.compile(rf"^class ({'|'.join(one.__name__ for one in REASONS)})\(", re.MULTILINE)
    files = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
    found = {path: defined.findall(text) for path, text in files.items()}
    # That of annotations is a message that goes to quarantine, not a change of an account.
    assert {path: names for path, names in found.items() if names} == {
        "access/refusals.py": [one.__name__ for one in REASONS],
        "annotations/content.py": ["NotTheOwner"],
    }
    assert not issubclass(content.NotTheOwner, tuple(REASONS))
