"""Questions to the history of publication, and the answers of operators."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from telemetry_records import Records

from broker_assets.publication import questions
from broker_assets.publication.history import NothingToAgree

pytestmark = pytest.mark.database

HELD = "solo_L1_stix-ql-lightcurve_20240503_V02.fits"


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    """Three decisions for one archive."""
    made = Records(database_url, tmp_path, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC))
    made.decision("solo_L1_stix-ql-lightcurve_20240501_V02.fits", "published", ago=3.0)
    made.decision("solo_L1_stix-ql-lightcurve_20240502_V02.fits", "error", ago=2.0, settled=False)
    made.decision(HELD, "held", ago=1.0, reason="90 rows, the delivered file has 100")
    return made


def test_entries_by_status_name_and_time(connection: Any, records: Records) -> None:
    def days(**options: Any) -> list[str]:
        return [entry.name[-16:-9] for entry in questions.entries(connection, **options)]

    assert days() == ["0240503", "0240502", "0240501"]
    assert days(statuses=["published", "held"]) == ["0240503", "0240501"]
    assert days(name="20240502") == ["0240502"]
    assert days(since=records.hours(2.5)) == ["0240503", "0240502"]
    assert days(limit=1) == ["0240503"]
    assert days(target="elsewhere") == []
    assert questions.counts(connection) == {"soar": {"error": 1, "held": 1, "published": 1}}


def test_what_waits_for_whom(connection: Any, records: Records) -> None:
    assert [entry.name for entry in questions.held(connection)] == [HELD]
    assert [entry.status for entry in questions.pending(connection, "soar")] == ["error"]


def test_an_agreed_file_goes_to_the_next_run(connection: Any, records: Records) -> None:
    """With or without the U of a file that grows."""
    (before,) = questions.agree(connection, HELD.replace("V02", "V02U"), who="ann", why="a gap in the data")
    assert (before.status, before.agreed) == ("held", False)
    assert questions.held(connection) == []
    assert HELD in [entry.name for entry in questions.pending(connection)]
    with pytest.raises(NothingToAgree, match="does not wait for an operator"):
        questions.agree(connection, HELD, who="ann", why="again")


def test_a_refused_file_is_settled(connection: Any, records: Records) -> None:
    questions.agree(connection, HELD, who="ann", why="broken", answer="refuse")
    (entry,) = questions.entries(connection, name=HELD)
    assert entry.status == "ignored"
    assert entry.reason.startswith("refused by an operator; 90 rows")
    assert questions.held(connection) == []
    assert HELD not in [entry.name for entry in questions.pending(connection)]


@pytest.mark.parametrize(("who", "why"), [("", "because"), ("ann", "  ")])
def test_an_answer_has_a_name_and_a_reason(connection: Any, records: Records, who: str, why: str) -> None:
    with pytest.raises(ValueError, match="requires a name and a reason"):
        questions.agree(connection, HELD, who=who, why=why)
    assert [entry.name for entry in questions.held(connection)] == [HELD]


def test_what_does_not_wait_is_said_with_its_past(connection: Any, records: Records) -> None:
    with pytest.raises(NothingToAgree, match="soar: published"):
        questions.agree(connection, "solo_L1_stix-ql-lightcurve_20240501_V02.fits", who="ann", why="x")
    with pytest.raises(NothingToAgree, match="the history does not have it"):
        questions.agree(connection, "solo_L1_stix-ql-lightcurve_20300101_V02.fits", who="ann", why="x")


def test_supplements_as_the_archive_lists_them(connection: Any, records: Records) -> None:
    records.execute(
        "UPDATE publication SET status = 'supplement', delivered_name = 'sup1.fits', base_name = 'base.fits'"
        " WHERE status = 'published'"
    )
    lines = questions.supplement_report(connection, "soar").splitlines()
    assert lines[0].split("\t") == ["filename", "basefile", "comment"]
    assert [line.split("\t")[:2] for line in lines[1:]] == [["sup1.fits", "base.fits"]]
    assert questions.supplement_report(connection, "other").count("\n") == 1
