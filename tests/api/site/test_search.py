"""The search box of every page."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.database
HTML = {"Accept": "text/html"}


def _object(site: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(record for alert in site.alerts if (record := site.record(alert))["diaObject"])
    return found


def test_one_hit_opens_at_once(site: Any) -> None:
    record = _object(site)
    wanted = record["diaObject"]["diaObjectId"]
    box = site.client.get("/search", params={"q": f"  {wanted} "}, headers=HTML)
    assert (box.status_code, box.headers["location"]) == (303, f"/search/{wanted}")
    answer = site.client.get(f"/search/{wanted}", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/objects/{wanted}/")
    source = record["diaSource"]["diaSourceId"]
    answer = site.client.get(f"/search/src:{source}", headers=HTML)
    assert answer.headers["location"] == f"/objects/{wanted}/#source-{source}"


def test_several_are_listed_and_the_reading_is_printed(site: Any) -> None:
    record = _object(site)["diaObject"]
    answer = site.client.get(f"/search/{record['ra']:.6f} {record['dec']:.6f} 10d", headers=HTML)
    assert answer.status_code == 200
    assert "Read as position RA" in answer.text
    assert "the nearest first" in answer.text
    assert f"/objects/{record['diaObjectId']}/" in answer.text


def test_none_says_what_was_tried(site: Any) -> None:
    answer = site.client.get("/search/2099zzzz", headers=HTML)
    assert answer.status_code == 404
    assert "2099zzzz of the Transient Name Server" in answer.text
    assert "Nothing of this is stored" in answer.text
    assert "is not an identifier" in site.client.get("/search/%3Cb%3E%22", headers=HTML).text


def test_what_is_typed_is_escaped_and_stays_here(site: Any) -> None:
    answer = site.client.get("/search/<script>alert(1)</script>", headers=HTML)
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
    for text in ("//evil.example", "https://evil.example", "\\\\evil.example"):
        assert site.client.get("/search", params={"q": text}).headers["location"].startswith("/search/")
    assert site.client.get("/search", params={"q": " "}).headers["location"] == "/"


def test_a_position_that_cannot_be_is_explained(site: Any) -> None:
    answer = site.client.get("/search/10%2095")
    assert (answer.status_code, "declination 95 is outside -90 to 90 degrees" in answer.text) == (404, True)
