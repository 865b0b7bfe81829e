"""Uploads are found again by who made them, with the lines that were not accepted."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access import accounts, uploads
from broker_assets.access.uploads import UnknownUpload
from broker_assets.sky.watchlists import BadLine

pytestmark = pytest.mark.database


def test_an_upload_is_kept_for_its_account(connection: Any) -> None:
    ann, bob = accounts.add(connection, "ann", None), accounts.add(connection, "bob", None)
    bad = [BadLine(3, "oh, no", "right ascension 'oh' is neither"), BadLine(5, "=1, 2", "two\nlines")]
    number = uploads.remember(connection, ann, "watchlist", 7, "stars.csv", 10, bad)
    found = uploads.get(connection, ann, number)
    assert (found.item, found.name, found.accepted, found.rejects) == (7, "stars.csv", 10, 2)
    assert found.as_csv().splitlines()[:2] == ["# line 3: right ascension 'oh' is neither", "oh, no"]
    assert found.as_csv().splitlines()[2] == "# line 5: two lines"
    with pytest.raises(UnknownUpload):
        uploads.get(connection, bob, number)
    assert [one.uploadid for one in uploads.of_list(connection, ann, "watchlist", 7)] == [number]
    uploads.remember(connection, bob, "watchlist", 8, "pasted text", 1, [])
    accounts.remove(connection, "bob")
    assert connection.execute("SELECT count(*) FROM access.uploads").fetchone() == (1,)
    for _ in range(uploads.KEPT):
        uploads.remember(connection, ann, "watchlist", 8, "pasted text", 1, [])
    with pytest.raises(UnknownUpload):
        uploads.get(connection, ann, number)


def test_many_rejected_lines_are_counted(connection: Any) -> None:
    ann = accounts.add(connection, "ann", None)
    bad = [BadLine(line, "x", "y") for line in range(uploads.MOST_REJECTS + 10)]
    found = uploads.get(connection, ann, uploads.remember(connection, ann, "watchlist", None, "a", 0, bad))
    assert (len(found.rejected), found.rejects) == (uploads.MOST_REJECTS, uploads.MOST_REJECTS + 10)
