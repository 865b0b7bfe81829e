"""Files of targets: every row is read or refused, and what is written is read as it was."""

from __future__ import annotations

import csv
import datetime
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.targets.csv_files import BadFile, read_targets, write_targets
from broker_assets.tom.targets.fields import ELEMENTS, POSITION, BadTarget, checked
from broker_assets.tom.targets.store import Target

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def stored(number: int, **given: Any) -> Target:
    draft = checked(given)
    return Target(
        targetid=number, owner="ann", name=draft.name, type=draft.type, public=False, diaobjectid=draft.diaobjectid,
        **{name: draft.position.get(name) for name in POSITION}, scheme=draft.scheme,  # type: ignore[arg-type]
        elements=dict(draft.elements), aliases=list(draft.aliases), tags=list(draft.tags), extras=dict(draft.extras),
        created=NOW, modified=NOW,
    )  # fmt: skip


def test_an_export_of_tom_toolkit_is_read() -> None:
    text = (
        "name,type,created,modified,permissions,ra,dec,epoch,parallax,pm_ra,pm_dec,galactic_lng,galactic_lat,distance,"
        "distance_err,scheme,epoch_of_elements,mean_anomaly,arg_of_perihelion,eccentricity,lng_asc_node,inclination,"
        "mean_daily_motion,semimajor_axis,epoch_of_perihelion,ephemeris_period,ephemeris_period_err,ephemeris_epoch,"
        "ephemeris_epoch_err,perihdist,redshift,classification,name2,name3\r\n"
        '"SN 2024ggi",SIDEREAL,2024-04-11 03:00:00+00:00,2024-04-12 03:00:00+00:00,PUBLIC,169.592,-32.8376,2000.0,,,,'
        '282.5,26.6,6.7,0.2,,,,,,,,,,,,,,,,0.002,"SN II, young",ATLAS24fsk,\r\n'
        "1P,NON_SIDEREAL,,,PUBLIC,,,,,,,,,,,MPC_COMET,49400,,111.3,0.967,58.4,162.3,,,46470.9,,,,,0.586,,,,\r\n"
    )
    found = read_targets(b"\xef\xbb\xbf" + text.encode())
    assert found.refused == []
    first, second = (row.draft for row in found.rows)
    assert (first.name, first.position["distance"], first.aliases) == ("SN 2024ggi", 6.7, ("ATLAS24fsk",))
    assert first.extras == {"redshift": "0.002", "classification": "SN II, young"}
    assert (second.type, second.elements["perihdist"]) == ("NON_SIDEREAL", 0.586)


def test_epochs_as_julian_dates_become_mjd() -> None:
    text = (
        "inclination,name,scheme,lng_asc_node,arg_of_perihelion,eccentricity,perihdist,epoch_of_perihelion,"
        "epoch_of_elements\n162.3,1P,MPC_COMET,58.4,111.3,0.967,0.586,2446471.4,2449400.5\n"
    )
    elements = read_targets(text).rows[0].draft.elements
    assert elements["epoch_of_perihelion"] == pytest.approx(46470.9, abs=1e-6)
    assert elements["epoch_of_elements"] == 49400.0


def test_bad_rows_are_refused_by_line_and_the_rest_is_read() -> None:
    text = 'name,ra,dec,note\nok,1,2,"two\nlines"\nfar,400,2,\n,1,2,\nlong,1,2,,5\nshort,1\nlast,1,2,x\nopen,1,2,"x\n'
    found = read_targets(text)
    assert [(row.line, row.draft.name) for row in found.rows] == [(2, "ok"), (8, "last")]
    assert [one.line for one in found.refused] == [4, 5, 6, 7, 9]
    assert "dec: a sidereal target needs its position" in found.refused[3].reason
    assert "not CSV" in found.refused[4].reason


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no line of column names"),
        (b"\xff", "not UTF-8: byte 0"),
        (b"ra,dec\n1,2\n", "no column is called `name`; there are ra, dec"),
        (b"name,ra,RA\n", "two columns are called 'ra'"),
    ],
)
def test_what_is_not_such_a_file_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadFile, match=why):
        read_targets(content)


@given(st.text(max_size=200), st.sampled_from(["", "name,ra,dec\n", "name,ra,dec,name2,tags,x\n"]))
def test_no_text_is_lost(text: str, header: str) -> None:
    try:
        found = read_targets(header + text)
    except BadFile:
        return
    lines = [row.line for row in found.rows] + [one.line for one in found.refused]
    assert len(set(lines)) == len(lines)
    try:
        rows = list(csv.reader(io.StringIO(header + text, newline=""), strict=True))[1:]
    except csv.Error:
        assert found.refused
        return
    assert len(lines) == sum(any(cell.strip() for cell in row) for row in rows)


PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "name": PLAIN,
                "ra": st.floats(0, 359.9),
                "dec": st.floats(-90, 90),
                "pm_ra": st.none() | st.floats(-100, 100),
                "aliases": st.lists(PLAIN, max_size=3),
                "tags": st.lists(PLAIN.filter(lambda tag: ";" not in tag), max_size=2),
                "extras": st.dictionaries(PLAIN, PLAIN | st.just('two\n"lines'), max_size=2),
                "inclination": st.none() | st.floats(0, 180),
                "diaobjectid": st.none() | st.integers(1, 2**63 - 1),
            }
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(many: list[dict[str, Any]]) -> None:
    targets = []
    for number, one in enumerate(many):
        try:
            targets.append(stored(number, **one))
        except BadTarget:
            continue
    extras = {name for target in targets for name in target.extras}
    if len({name.lower() for name in extras}) < len(extras):
        return
    found = read_targets("".join(write_targets(targets)))
    assert found.refused == []
    for target, row in zip(targets, found.rows, strict=True):
        assert row.draft == checked(target.given)


def test_columns_have_their_order() -> None:
    [first, second] = "".join(
        write_targets([stored(1, name="x", ra=10, dec=-5, extras={"z": "1"}, aliases=["y"])])
    ).splitlines()
    assert first.startswith("name,type,created,modified,ra,dec,epoch,pm_ra,pm_dec,parallax,distance,distance_err,gal")
    assert first.endswith("perihdist,ephemeris_period,ephemeris_period_err,ephemeris_epoch,ephemeris_epoch_err,z,name2")
    assert second.startswith("x,SIDEREAL,2026-01-01T00:00:00+00:00,")
    assert set(ELEMENTS) <= set(first.split(","))


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_cells_are_divided_as_spreadsheets_do(mark: str) -> None:
    note = 'a "b", c; d\te'
    rows = [["name", "ra", "dec", "note"], ["M 1", "83.6", "22", note], ["x", "10,5", "2", ""], ["y", "400", "1", "z"]]
    out = io.StringIO()
    csv.writer(out, delimiter=mark).writerows(rows)
    found = read_targets("\ufeff" + out.getvalue())
    assert [(one.draft.name, one.draft.position["ra"], one.draft.extras) for one in found.rows] == [
        ("M 1", 83.6, {"note": note})
    ]
    assert [one.reason for one in found.refused] == ["ra: '10,5' is not a number", "ra: 400 is not from 0 to 360"]
    # What is refused is a file of its own, with commas.
    again = read_targets("\n".join([found.header, *(one.text for one in found.refused)]))
    assert [one.reason for one in again.refused] == [one.reason for one in found.refused]
