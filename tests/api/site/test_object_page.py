"""The page of an object, its files, and why it is here."""

from __future__ import annotations

import csv
import io
import re
from contextlib import ExitStack
from typing import Any

import pytest
from psycopg.rows import dict_row
from site_visitors import Visitor

from broker_assets.access import accounts, sharing
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
    for kind in ("science", "template", "difference"):
        address = re.search(rf"/stamps/\d+/{kind}.png", text)
        assert address is not None
        assert site.client.get(address[0]).content.startswith(b"\x89PNG")
    assert site.client.get("/stamps/1/science.png").status_code == 404
    assert "simbad" in text
    for heading in ("Position", "Context", "Light curve", "Stamps", "Data points", "Why is it here?", "Annotations"):
        assert f">{heading}</h2>" in text
    assert re.search(r'data-copy="\d+\.\d{6} [+-]\d+\.\d{6}"', text)
    assert re.search(r'data-copy="\d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d:\d\d\.\d\d"', text)


def test_copied_positions_find_the_object(site: Any, path: str) -> None:
    text = site.client.get(path, headers=HTML).text
    positions = re.findall(r'data-copy="([\d.]+ [\d.+-]+|[\d:.]+ [+\d:.-]+)"', text)
    assert len(positions) == 2
    for copied in positions:
        answer = site.client.get(f"/search/{copied}", headers=HTML)
        assert answer.headers.get("location") == path


def test_the_address_has_the_state(site: Any, path: str) -> None:
    text = site.client.get(f"{path}?b=g&y=mag&k=d&x=ago", headers=HTML).text
    assert "days ago</text>" in text
    assert "difference magnitude (AB)" in text
    marks = set(re.findall(r'class="mark solid (band-\w+)"', text.split('class="curve"')[1]))
    assert marks == {"band-g"}
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
    drawn = "".join(re.findall(r'class="mark [^"]+" d="([^"]+)"', svg.text))
    assert drawn.count("M") == len([one for one in chart["limit"] if not one])


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
        assert answer.status_code == 404, name
        assert "Search by name" in answer.text, name


def test_names_are_escaped(site: Any, path: str) -> None:
    answer = site.client.get(f'{path}?b="><script>alert(1)</script>&t=<b>&s=<i>&as_of=<u>', headers=HTML)
    assert answer.status_code == 200
    for mark in ("<script>alert", "<b>&", "<i>", "<u>"):
        assert mark not in answer.text


def test_private_things_are_shown_to_their_owner_and_groups_alone(
    site: Any, path: str, filled_database_url: str
) -> None:
    number = int(path.split("/")[2])
    with ExitStack() as stack:
        connection = stack.enter_context(engine.connect(filled_database_url, autocommit=True))
        (wl_id,) = connection.execute(
            "INSERT INTO watchlists (owner, name, description, active, public, radius, revision)"
            " VALUES ('olga', '<i>olgas</i> stars', '', true, false, 5, 1) RETURNING wl_id"
        ).fetchone() or (0,)
        stack.callback(connection.execute, "DELETE FROM watchlists WHERE wl_id = %s", (wl_id,))
        connection.execute(
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name) VALUES (%s, -1, %s, 1, 'star')",
            (number, wl_id),
        )
        stack.callback(connection.execute, "DELETE FROM watchlist_hits WHERE wl_id = %s", (wl_id,))
        seen = {}
        for name in ("", "olga", "member", "stranger"):
            visitor = Visitor(site.url, connection if name else None, name)
            stack.callback(visitor.close)
            if visitor.user is not None:
                stack.callback(accounts.remove, connection, name)
            if name == "olga":
                (group,) = connection.execute(
                    "INSERT INTO access.groups (name) VALUES ('olgas group') RETURNING groupid"
                ).fetchone() or (0,)
                stack.callback(connection.execute, "DELETE FROM access.groups WHERE groupid = %s", (group,))
                accounts.join(connection, visitor.user.userid, ["olgas group"])  # type: ignore[union-attr]
                sharing.share(connection, visitor.user, "watchlist", str(wl_id), ["olgas group"])  # type: ignore[arg-type]
                stack.callback(connection.execute, "DELETE FROM access.shares WHERE identifier = %s", (str(wl_id),))
            if name == "member":
                accounts.join(connection, visitor.user.userid, ["olgas group"])  # type: ignore[union-attr]
            text = visitor.text(path)
            assert "<i>olgas" not in text
            seen[name] = "olgas" in text.split("Lists and areas")[1].split("</section>")[0]
    assert seen == {"": False, "olga": True, "member": True, "stranger": False}


def test_each_detection_has_small_stamps_that_load_when_they_are_seen(site: Any, path: str) -> None:
    text = site.client.get(path, headers=HTML).text
    chart = site.client.get(f"{path}points.json").json()
    with_stamps = {one for one, has in zip(chart["id"], chart["stamps"], strict=True) if has}
    assert with_stamps
    small = re.findall(r'<img src="/stamps/(\d+)/small\.png"[^>]* loading="lazy">', text)
    assert sorted(small) == sorted(with_stamps)
    whole, thumb = (site.client.get(f"/stamps/{small[0]}/{kind}.png").content for kind in ("science", "small"))
    assert thumb.startswith(b"\x89PNG")
    assert len(thumb) < len(whole)


def test_when_it_passed_filters_is_on_the_axis(site: Any, filled_database_url: str, known: Any, path: str) -> None:
    number = known["diaobjectid"]
    source = site.client.get(f"{path}points.json").json()
    detection = next(row for row, stamps in enumerate(source["stamps"]) if stamps)
    with engine.connect(filled_database_url, autocommit=True) as connection:
        try:
            made = connection.execute(
                "INSERT INTO filters (owner, name, description, active, public, version, revision)"
                " VALUES ('ann', 'bright <one>', '', true, true, 1, 1) RETURNING filterid"
            ).fetchone()
            assert made is not None
            connection.execute(
                "INSERT INTO filter_matches (diaobjectid, diasourceid, filterid, ingestid, night, version, rows, row)"
                " VALUES (%s, %s, %s, 1, '2025-10-01', 1, 1, '[]')",
                (number, int(source["id"][detection]), made[0]),
            )
            assert site.client.get(f"{path}points.json").json()["matches"] == [[source["x"][detection], "bright <one>"]]
            text = site.client.get(path, headers=HTML).text
            assert 'class="match"><title>passed bright &lt;one&gt;</title>' in text
            assert "1 detection passed a filter" in text
        finally:
            connection.execute("DELETE FROM filter_matches")
            connection.execute("DELETE FROM filters")
