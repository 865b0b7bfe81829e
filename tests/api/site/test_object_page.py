"""The page of an object, its files, and why it is here."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from psycopg.rows import dict_row

from broker_assets.database import engine

pytestmark = pytest.mark.database
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def known(site: Any, filled_database_url: str) -> dict[str, Any]:
    """The object with the most detections."""
    with engine.connect(filled_database_url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute("SELECT * FROM objects ORDER BY ndiasources DESC, diaobjectid LIMIT 1").fetchone()
    assert row is not None
    return dict(row)


@pytest.fixture(scope="module")
def path(known: dict[str, Any]) -> str:
    return f"/objects/{known['diaobjectid']}/"


def test_everything_is_there_without_scripts(site: Any, known: dict[str, Any], path: str) -> None:
    answer = site.client.get(path, headers=HTML)
    assert answer.status_code == 200
    text = answer.text
    assert text.count("<h1") == 1
    assert 'class="curve"' in text
    assert re.search(r"/api/sources/\d+/cutouts/science.png", text)
    assert "simbad" in text
    for heading in ("Position", "Context", "Light curve", "Stamps", "Points", "Why is it here?", "Annotations"):
        assert f">{heading}</h2>" in text
    assert re.search(r'data-copy="\d+\.\d{6} [+-]\d+\.\d{6}"', text)
    assert re.search(r'data-copy="\d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d:\d\d\.\d\d"', text)


def test_copied_positions_find_the_object(site: Any, path: str) -> None:
    text = site.client.get(path, headers=HTML).text
    for copied in re.findall(r'data-copy="([\d.]+ [\d.+-]+|[\d:.]+ [+\d:.-]+)"', text):
        answer = site.client.get(f"/search/{copied}", headers=HTML)
        assert answer.headers.get("location") == path


def test_the_address_has_the_state(site: Any, path: str) -> None:
    text = site.client.get(f"{path}?b=g&y=mag&k=d&x=ago", headers=HTML).text
    assert "days ago</text>" in text
    assert "difference magnitude (AB)" in text
    marks = set(re.findall(r'class="mark solid (band-\w+)"', text.split('class="curve"')[1]))
    assert marks <= {"band-g"}
    assert 'name="y" value="mag"' in text  # other forms keep it
    rows = list(csv.DictReader(io.StringIO(site.client.get(f"{path}points.csv?b=g&k=d").text)))
    assert {row["band"] for row in rows} <= {"g"}
    assert {row["kind"] for row in rows} <= {"detection"}


def test_chart_table_and_files_have_the_same_points(site: Any, path: str) -> None:
    rows = list(csv.DictReader(io.StringIO(site.client.get(f"{path}points.csv").text)))
    chart = site.client.get(f"{path}points.json").json()
    text = site.client.get(path, headers=HTML).text
    assert len(rows) == len(chart["x"]) > 5
    assert [row["id"] for row in rows] == chart["id"]
    assert all(row["id"] in text for row in rows)
    svg = site.client.get(f"{path}curve.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "default-src 'none'" in svg.headers["content-security-policy"]
    assert svg.text.count('class="mark') == len([one for one in chart["limit"] if not one])


def test_as_of_shows_what_was_known(site: Any, known: dict[str, Any], path: str) -> None:
    first = known["firstdiasourcemjdtai"]
    answer = site.client.get(f"{path}?as_of={first - 1}", headers=HTML)
    assert "As it was known at MJD" in answer.text
    assert site.client.get(f"{path}points.json?as_of={first - 1}").json()["x"] == []


def test_why_says_topic_partition_and_offset(site: Any, known: dict[str, Any], path: str) -> None:
    text = site.client.get(f"{path}why/", headers=HTML).text
    assert "rubin-alerts" in text
    assert "offset" in text
    source = known["broughtby"]
    assert str(source) in site.client.get(f"{path}why/?source={source}", headers=HTML).text
    assert site.client.get(f"{path}why/?source=1", headers=HTML).status_code == 404
    assert str(site.settings.home) not in text, "folders of the machine are not shown"


def test_unknown_objects_are_a_page_that_helps(site: Any) -> None:
    for name in ("1", "ZTF99zzzzzzz", "abc", "99999999999999999999"):
        answer = site.client.get(f"/objects/{name}/", headers=HTML)
        assert answer.status_code in (400, 404)
        assert "Search by name" in answer.text or "cannot be used" in answer.text


def test_names_are_escaped(site: Any, path: str) -> None:
    answer = site.client.get(f'{path}?b="><script>alert(1)</script>&t=<b>&s=<i>&as_of=<u>', headers=HTML)
    assert answer.status_code == 200
    for mark in ("<script>alert", "<b>&", "<i>", "<u>"):
        assert mark not in answer.text
