"""The examples of docs/filters.md are accepted, run in both engines, and find what the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from broker_assets.filters.files import read_definition
from broker_assets.filters.functions import AGGREGATES, FUNCTIONS, TIMES
from broker_assets.filters.schema import TABLES

DOCUMENT = (Path(__file__).parents[2] / "docs/filters.md").read_text()
EXAMPLES = re.findall(
    r"^### \d+\. (.+?)\n.*?^```(?:sql)?\n(.*?)^```",
    DOCUMENT.partition("## Ten worked examples")[2],
    re.DOTALL | re.MULTILINE,
)

BRIGHT = 10 ** ((31.4 - 18) / 2.5)
"""Flux of magnitude 18, nJy."""


def an_object(number: int, **columns: Any) -> dict[str, Any]:
    return {
        "diaobjectid": number,
        "ra": 10.0,
        "decl": -20.0,
        "ndiasources": 5,
        "firstdiasourcemjdtai": 60000.0,
    } | columns


ROWS: dict[str, list[dict[str, Any]]] = {
    "objects": [
        an_object(1, g_psfflux=BRIGHT, firstdiasourcemjdtai=60999.0),
        an_object(2, g_psfflux=BRIGHT / 10, firstdiasourcemjdtai=60999.0),
        an_object(3, bbbriserate=0.1, absmag=-19.0, nsourcesgood=5),
        an_object(4, bbbriserate=0.01, jump1=6.0, nsourcesgood=3),
        an_object(5, glat=-30.0, ebv=0.01),
        an_object(6, glat=10.0, ebv=0.01),
        an_object(7, ra=0.001, decl=-45.0),
        an_object(8, ra=0.1, decl=-45.0),
        an_object(9, g_psfflux=1000.0, r_psfflux=3000.0),
    ],
    "sherlock_classifications": [
        {"diaobjectid": 3, "classification": "SN", "best_distance": 50.0},
        {"diaobjectid": 4, "classification": "NT", "best_distance": 99.0},
        {"diaobjectid": 5, "classification": "SN", "best_distance": 500.0},
        {"diaobjectid": 9, "classification": "AGN", "best_distance": None},
    ],
    "watchlist_hits": [
        {"diaobjectid": 1, "cone_id": 1, "wl_id": 7, "arcsec": 1.0, "name": "M 31"},
        {"diaobjectid": 2, "cone_id": 1, "wl_id": 7, "arcsec": 2.0, "name": "M 31"},
        {"diaobjectid": 3, "cone_id": 2, "wl_id": 8, "arcsec": 1.0, "name": "other"},
    ],
    "area_hits": [{"diaobjectid": number, "ar_id": area} for number, area in [(5, 3), (5, 4), (6, 3), (6, 4), (1, 3)]],
    "annotations": [
        {"diaobjectid": 1, "topic": "fink", "classification": "Early SN Ia", "classdict": '{"snscore": 0.9}'},
        {"diaobjectid": 2, "topic": "fink", "classification": "Early SN Ia", "classdict": '{"snscore": 0.7}'},
        {"diaobjectid": 3, "topic": "alerce", "classification": "Early SN Ia", "classdict": '{"snscore": 0.9}'},
    ],
    "object_classes": [
        {"diaobjectid": number, "classifier": classifier, "class": name, "version": "1", "score": score}
        for number, classifier, name, score in [
            (1, "a", "SN Ia", 0.75), (1, "b", "SN", 0.625), (2, "a", "SN Ia", 0.75), (2, "b", "AGN", 0.9)
        ]
    ],
    "mma_area_hits": [
        {"diaobjectid": 3, "mw_id": 1, "contour": 20.0, "probdens2": 1.0, "distmu": 55.0, "distsigma": 5.0},
        {"diaobjectid": 4, "mw_id": 1, "contour": 20.0, "probdens2": 1.0, "distmu": 55.0, "distsigma": 5.0},
        {"diaobjectid": 9, "mw_id": 1, "contour": 20.0, "probdens2": 1.0, "distmu": 55.0, "distsigma": 5.0},
    ],
    "object_link": [
        {"diaobjectid": 9, "linkedid": 42, "arcsec": 0.5, "linkedsurvey": 2},
        {"diaobjectid": 8, "linkedid": 43, "arcsec": 0.5, "linkedsurvey": 2},
    ],
}  # fmt: skip

FOUND: dict[str, list[tuple[Any, ...]]] = {
    "Bright and new": [(1, 1, 10.0, -20.0, 18.0, 1.25)],
    "In a watchlist": [(1, 1, "M 31", 1.0)],
    "Supernova candidates near galaxies": [(3, 3, 50.0, -19.0, 0.1), (4, 4, 99.0, None, 0.01)],
    "An annotator is sure": [(1, 1, "Early SN Ia", 0.9)],
    "Not in the Transient Name Server": [(3, 3, 10.0, -20.0, "SN")],
    "In two areas, away from the plane": [(5, 5, -30.0, 0.01)],
    "Around a position": [(7, 7, 15.27)],
    "Scores of a classifier": [(1, 1, 0.75, 2)],
    "Objects of a gravitational-wave event": [(3, 3, 1, 20.0, 50.0, 55.0), (9, 9, 1, 20.0, None, 55.0)],
    "Seen by another survey": [(9, 9, 42, 0.5, 2.5 * 0.47712125471966244)],
}


@pytest.fixture(scope="module")
def filled(engines: Any) -> Any:
    engines.refill(ROWS)
    engines.known(4, "2025abc")
    return engines


def about(value: Any) -> Any:
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value


def test_there_are_ten() -> None:
    assert [title for title, _ in EXAMPLES] == list(FOUND)


@pytest.mark.database
@pytest.mark.parametrize(("title", "text"), EXAMPLES, ids=lambda value: value[:20])
def test_an_example_finds_what_it_says(filled: Any, title: str, text: str) -> None:
    query = read_definition(text).check()
    rows = filled.run(query)
    assert sorted(rows) == [
        tuple(pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for value in row)
        for row in FOUND[title]
    ]
    clauses = filled.run_clauses(query)
    passing = {row[0] for row in clauses if all(row[1 : 1 + len(query.clauses)])}
    assert passing == {row[0] for row in rows}
    assert clauses


def test_the_document_lists_every_function_and_table() -> None:
    for name in (*FUNCTIONS, *TIMES, *AGGREGATES):
        assert f"`{name}(" in DOCUMENT, name
    for name in TABLES:
        assert f"| `{name}` |" in DOCUMENT, name
