"""Options that watchlists and areas have in common."""

from __future__ import annotations

import datetime

import pytest
import typer

from broker_assets.commands.lists.options import account, expiry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("never", "never"),
        (" NEVER ", "never"),
        ("2999-01-31", datetime.datetime(2999, 1, 31, tzinfo=datetime.UTC)),
        ("2999-01-31T12:30", datetime.datetime(2999, 1, 31, 12, 30, tzinfo=datetime.UTC)),
        ("2999-01-31T12:30+02:00", datetime.datetime(2999, 1, 31, 10, 30, tzinfo=datetime.UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str | None, expected: object) -> None:
    assert expiry(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"), [("tomorrow", "neither a date"), ("", "neither a date"), ("2020-01-01", "in the past")]
)
def test_what_is_no_time_to_come_is_refused(text: str, reason: str) -> None:
    with pytest.raises(typer.BadParameter, match=reason):
        expiry(text)


def test_the_owner_is_the_user_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert account(None) == "ada"
    assert account("ann") == "ann"
    with pytest.raises(typer.BadParameter, match="needs a name"):
        account("  ")
