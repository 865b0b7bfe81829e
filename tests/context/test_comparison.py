"""Which facts a changed catalogue or rule makes stale; to the rebuilt night in `stream/test_context.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.context.comparison import Compared, compare, pending
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.store import CatalogueStore
from broker_assets.database import engine
from broker_assets.sky.cells import cells_at

pytestmark = pytest.mark.database
NIGHT = "2026-01-01"
OLD = '{"catalogues:stars": "old", "catalogues:galaxies": "old"}'
RULES = """
searches:
  - {catalogue: stars, kind: star, radius: 5, synonym: VS, association: BS, stop_on_synonym: true, accuracy: 1}
  - {catalogue: galaxies, kind: galaxy, radius: 30, association: SN, known: [redshift], accuracy: 2}
"""
PLACES = {1: (10.0, 20.0), 2: (10.0, 20.005), 3: (200.0, -89.9999), 4: (359.9999, 0.0), 5: (100.0, 0.0)}


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Any:
    """Facts of five objects that were made with two catalogues."""

    class Site:
        folder = tmp_path / "catalogues"
        url = database_url

        def load(self, name: str, *rows: str) -> None:
            path = tmp_path / f"{name}.csv"
            path.write_text("\n".join(["identifier,ra,dec,redshift,epoch,pmra,pmdec", *rows]) + "\n")
            CatalogueStore(self.folder).add(name, path)

        @property
        def in_force(self) -> CataloguesInForce:
            return CataloguesInForce(self.folder, tmp_path / "rules.yaml")

        def rules(self, text: str) -> None:
            (tmp_path / "rules.yaml").write_text(text)

        def compare(self) -> Compared:
            with engine.connect(database_url, autocommit=True) as connection:
                return compare(connection, self.in_force, readers=("object_features",))

        def marks(self) -> dict[str, set[int]]:
            found: dict[str, set[int]] = {}
            with engine.connect(database_url) as connection:
                for asset, number in connection.execute("SELECT asset, diaobjectid FROM stale_facts"):
                    found.setdefault(asset, set()).add(number)
            return found

        def clear(self) -> None:
            with engine.connect(database_url, autocommit=True) as connection:
                connection.execute("DELETE FROM stale_facts")

        def facts(self, connection: psycopg.Connection[Any], inputs: str = OLD) -> None:
            connection.execute(
                "INSERT INTO ingest_batch_night (ingestid, night, stored, duplicate, sources, forced_sources, objects)"
                " VALUES (1, %s, 5, 0, 5, 0, 5)",
                (NIGHT,),
            )
            for asset in ("context_matches", "object_features"):
                connection.execute(
                    "INSERT INTO ingest_batch_facts (ingestid, night, asset, enrichment, version, inputs, rows,"
                    " checksum) VALUES (1, %s, %s, 'x', '1', %s, 5, 0)",
                    (NIGHT, asset, inputs),
                )
            for number, (ra, dec) in PLACES.items():
                cell = int(cells_at(np.array([ra]), np.array([dec]))[0])
                connection.execute(
                    "INSERT INTO associations (diaobjectid, associationid, ra, decl, healpix, classification,"
                    " annotator, description) VALUES (%s, 1, %s, %s, %s, 'ORPHAN', 'a', 'd')",
                    (number, ra, dec, cell),
                )
                connection.execute(
                    "INSERT INTO context_matches (diaobjectid, diasourceid, night, ingestid, associationid)"
                    " VALUES (%s, %s, %s, 1, 1)",
                    (number, 10 * number, NIGHT),
                )

    made = Site()
    made.rules(RULES)
    made.load("stars", "far,50,50,,,,")
    made.load("galaxies", "far,50,50,0.1,,,")
    with engine.connect(database_url, autocommit=True) as connection:
        assert made.compare() == Compared(("galaxies", "stars"))
        made.facts(connection)
    return made


def both(objects: set[int]) -> dict[str, set[int]]:
    """Marks of the same objects in both assets."""
    return {"context_matches": objects, "object_features": objects}


def test_only_objects_near_changed_sources_are_marked(site: Any) -> None:
    # at RA 0, and next to a pole; the galaxy without a redshift is not searched
    site.load("stars", "far,50,50,,,,", "edge,0.0001,0.0001,,,,", "pole,20,-89.9999,,,,")
    assert site.compare() == Compared(("stars",), 4)
    assert site.marks() == both({3, 4})
    assert site.compare() == Compared()
    site.clear()
    site.load("galaxies", "far,50,50,0.1,,,", "near,10,20.001,0.2,,,", "unknown,100,0,,,,")
    assert site.compare().changed == ("galaxies",)
    assert site.marks() == both({1, 2})
    site.clear()
    # what goes, or has another value, concerns the same objects as what comes
    site.load("galaxies", "near,10,20.001,0.25,,,")
    assert site.compare().changed == ("galaxies",)
    assert site.marks() == both({1, 2})


def test_stars_are_looked_for_wherever_they_were(site: Any) -> None:
    # ten arcseconds a year: it passes the first object in 2026
    site.load("stars", "far,50,50,,,,", "fast,10.0,19.972222,,2016,0,10000")
    site.compare()
    assert site.marks() == both({1})


def test_what_was_computed_with_the_new_version_is_not_marked(site: Any) -> None:
    site.load("stars", "near,10,20,,,,")
    version = CatalogueStore(site.folder).get("stars").version
    with engine.connect(site.url, autocommit=True) as connection:
        connection.execute("UPDATE ingest_batch_facts SET inputs = %s", (f'{{"catalogues:stars": "{version}"}}',))
    assert site.compare() == Compared(("stars",))


def test_a_changed_search_concerns_what_it_finds(site: Any) -> None:
    site.load("galaxies", "far,50,50,0.1,,,", "near,10,20.001,0.2,,,", "unknown,100,0,,,,")
    site.compare()
    site.clear()
    site.rules(RULES.replace("radius: 30", "radius: 8"))
    assert site.compare() == Compared(("(rules)",), 4)
    assert site.marks() == both({1, 2})
    site.clear()
    site.rules(RULES.replace("radius: 30", "radius: 8").replace(", known: [redshift]", ""))
    site.compare()
    # the first object is 3.6 arcseconds from the galaxy, the second 14.4; the fifth is on the one without a redshift
    assert site.marks() == both({1, 5})


def test_rules_that_changed_as_a_whole_concern_all(site: Any) -> None:
    site.rules(RULES + "first_names: [galaxies]\n")
    assert site.compare() == Compared(("(rules)",), 0, 2)
    assert site.marks() == both({0})


def test_a_removed_catalogue_concerns_what_was_near_it(site: Any) -> None:
    site.load("galaxies", "near,10,20.001,0.2,,,")
    site.compare()
    site.clear()
    CatalogueStore(site.folder).remove("galaxies", keep=True)
    assert site.compare().changed == ("galaxies",)
    assert site.marks() == both({1, 2})
    assert not (site.folder / "galaxies").exists()
    site.clear()
    # of one whose files are gone, nothing can be proved
    CatalogueStore(site.folder).add("galaxies", site.folder.parent / "galaxies.csv")
    site.compare()
    site.clear()
    CatalogueStore(site.folder).remove("galaxies")
    assert site.compare().nights == 2


def test_the_last_catalogue_and_the_first_concern_all(site: Any) -> None:
    for name in ("stars", "galaxies"):
        CatalogueStore(site.folder).remove(name)
    assert site.compare().nights == 2
    site.clear()
    with engine.connect(site.url, autocommit=True) as connection:
        connection.execute("UPDATE ingest_batch_facts SET inputs = '{}'")
    site.load("stars", "far,50,50,,,,")
    assert site.compare() == Compared(("stars",), 0, 2)
    assert site.marks() == both({0})


def test_what_is_pending(site: Any) -> None:
    with engine.connect(site.url, autocommit=True) as connection:
        assert pending(connection, site.in_force) == []
        site.load("stars", "near,10,20,,,,")
        site.rules(RULES.replace("radius: 5", "radius: 6"))
        assert pending(connection, site.in_force) == ["(rules)", "stars"]
        connection.execute("DELETE FROM context_compared")
        assert pending(connection, CataloguesInForce(site.folder / "none", None)) == []
