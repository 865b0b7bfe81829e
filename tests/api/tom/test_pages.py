"""Pages of the campaign."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]


def test_what_there_is(anna: Any, root: Any) -> None:
    front = anna.get("elasticc2/")
    assert front.status_code == 200
    assert "5,765" in front.text
    # It is in the menu of every page.
    assert 'href="/elasticc2/"' in anna.get("accounts/login/").text
    first = anna.get("elasticc/")
    assert "DiaAlert" in first.text
    assert first.text.index('href="/targets/"') < first.text.index('href="/elasticc/" aria-current="page"')
    summary = root.get("elasticc2/adminsummary").text
    for expected in ("52,172", "650", "1,212", "M-dwarf Flare"):
        assert expected in summary
    table = anna.get("elasticc2/classifiers").text
    assert table.index("RandomSNType") > table.index("NugentClassifier")
    assert "0.5 111, 0.75 112" in table
