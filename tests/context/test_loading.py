"""Catalogues of every form give the same sources, and what cannot be read says why."""

from __future__ import annotations

import gzip
import os
import re
import time
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from astropy.table import Table

from broker_assets.context.catalogue import REQUIRED, Sources
from broker_assets.context.loading import CatalogueError, Mapped, checksum, read_parts
from broker_assets.context.store import CatalogueStore

MAPPING = """
columns:
  identifier: PGC
  ra: {column: RAJ2000, unit: hourangle}
  dec: {column: DEJ2000, unit: deg}
  major_axis: {column: logd25, unit: dex(0.1 arcmin)}
  distance: {column: D, unit: kpc}
  magnitude: {column: Bmag, unknown: [-99, 99.9]}
  band: {value: B}
  epoch: {value: 2000}
"""


def galaxies() -> Table:
    return Table(
        {
            "PGC": [2557, 5818],
            "RAJ2000": ["00 42 44.35", "01 33 50.9"],
            "DEJ2000": ["+41 16 08.6", "+30 39 36.8"],
            "logd25": [3.25, 2.79],
            "D": [765.0, 840.0],
            "Bmag": [4.36, 99.9],
        }
    )


def read(path: Path, mapping: Mapped | None = None) -> tuple[Sources, int]:
    parts = [(mapping or Mapped.same(part.column_names)).sources(part) for part in read_parts(path)]
    table = pa.concat_tables([part.table() for part, _ in parts])
    return Sources.of(table), sum(without for _, without in parts)


@pytest.mark.parametrize("name", ["g.csv", "g.csv.gz", "g.fits", "g.fits.gz", "g.vot", "g.parquet"])
def test_every_form_gives_the_same_sources(tmp_path: Path, name: str) -> None:
    path, table = tmp_path / name, galaxies()
    if name.startswith("g.csv"):
        table.write(tmp_path / "g.csv", format="ascii.csv")
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress((tmp_path / "g.csv").read_bytes()))
    elif name == "g.parquet":
        pyarrow.parquet.write_table(pa.Table.from_pandas(table.to_pandas()), path)
    else:
        table.write(path, format="votable" if name.endswith("vot") else "fits")
    found, without = read(path, Mapped.parse(MAPPING))
    assert without == 0
    assert found.identifier.to_pylist() == ["2557", "5818"]
    np.testing.assert_allclose(found.ra, [10.68479, 23.46208], atol=1e-4)
    np.testing.assert_allclose(found.dec, [41.26906, 30.66022], atol=1e-4)
    # HyperLEDA's logd25 is the logarithm of the diameter in tenths of an arcminute: 178 and 62 arcminutes.
    np.testing.assert_allclose(found.major_axis, [10669.6, 3699.6], rtol=1e-4)
    np.testing.assert_allclose(found.distance, [0.765, 0.84])
    assert found.magnitude[0] == 4.36
    assert np.isnan(found.magnitude[1])
    assert found.band.to_pylist() == ["B", "B"]
    assert found.epoch.tolist() == [2000.0, 2000.0]


def test_units_of_a_masked_column(tmp_path: Path) -> None:
    table = Table({"id": ["a", "b"], "ra": [1.0, 2.0], "dec": [3.0, 4.0], "size": [2.0, 5.0]}, masked=True)
    table["size"].mask = [True, False]
    table["size"].unit = u.arcmin
    table.write(tmp_path / "t.fits")
    text = "columns: {identifier: id, ra: ra, dec: dec, major_axis: {column: size, unit: arcmin}}"
    found, _ = read(tmp_path / "t.fits", Mapped.parse(text))
    assert np.isnan(found.major_axis[0])
    assert found.major_axis[1] == 300.0


@pytest.mark.parametrize("name", ["t.fits", "t.vot"])
def test_units_of_a_file_count_where_the_mapping_has_none(tmp_path: Path, name: str) -> None:
    table = Table(
        {"identifier": ["a"], "ra": [0.5] * u.rad, "dec": [600.0] * u.arcmin, "pmra": [0.25] * u.arcsec / u.yr}
    )
    table["redshift"] = [0.1]
    table["other"] = [1.0] * u.km
    table.write(tmp_path / name, format="votable" if name.endswith("vot") else "fits")
    for mapping in (None, Mapped.parse("columns: {identifier: identifier, ra: ra, dec: dec, pmra: pmra}")):
        found, _ = read(tmp_path / name, mapping)
        assert (found.ra[0], found.dec[0], found.pmra[0]) == pytest.approx((np.degrees(0.5), 10.0, 250.0))
    found, _ = read(
        tmp_path / name, Mapped.parse("columns: {identifier: identifier, ra: {column: ra, unit: hourangle}, dec: dec}")
    )
    assert found.ra[0] == pytest.approx(7.5)  # the mapping is right


@pytest.mark.parametrize(("unit", "name"), [("km / s", "redshift"), ("furlong", "major_axis"), ("h", "ra")])
def test_a_unit_of_a_file_that_does_not_fit_is_refused(tmp_path: Path, unit: str, name: str) -> None:
    table = Table({"identifier": ["a"], "ra": [1.0], "dec": [2.0], "redshift": [3.0], "major_axis": [4.0]})
    table[name].unit = u.Unit(unit, parse_strict="silent")
    table.write(tmp_path / "t.vot", format="votable")
    with pytest.raises(CatalogueError, match=f"column '{name}' is in '{unit}'.* write the unit into the mapping"):
        read(tmp_path / "t.vot")


def test_a_value_for_all_sources_has_the_unit_of_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,ra,dec\na,1,2\n")
    values = "distance: {value: 780, unit: kpc}, major_axis: {value: 0.5, unit: arcmin}"
    text = f"columns: {{identifier: id, ra: ra, dec: dec, {values}}}"
    found, _ = read(tmp_path / "c.csv", Mapped.parse(text))
    assert (found.distance[0], found.major_axis[0]) == (0.78, 30.0)


@pytest.mark.parametrize("name", ["c.fits", "c.parquet"])
def test_a_value_that_means_nothing_is_found_in_32_bits(tmp_path: Path, name: str) -> None:
    table = Table({"id": ["a", "b"], "ra": [1.0, 2.0], "dec": [1.0, 2.0], "m": np.array([99.99, 18.5], np.float32)})
    if name == "c.parquet":
        pyarrow.parquet.write_table(pa.Table.from_pandas(table.to_pandas()), tmp_path / name)
    else:
        table.write(tmp_path / name)
    found, _ = read(
        tmp_path / name,
        Mapped.parse("columns: {identifier: id, ra: ra, dec: dec, magnitude: {column: m, unknown: 99.99}}"),
    )
    assert np.isnan(found.magnitude[0])
    assert found.magnitude[1] == 18.5


def test_texts_of_csv_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(
        b"id,ra,dec,z,note\n0012,00:42:44,+41:16:09,0.1,M\xfcller\nNA,12:30:00,-1:30:00,NA,\n2026-01-01,1:0:0,1:0:0,--,\n"
    )
    text = "columns: {identifier: id, ra: {column: ra, unit: hourangle}, dec: {column: dec, unit: deg}, redshift: z}"
    found, without = read(path, Mapped.parse(text))
    assert (found.identifier.to_pylist(), without) == (["0012", "NA", "2026-01-01"], 0)
    assert found.ra.tolist() == pytest.approx([10.683333, 187.5, 15.0])
    assert found.redshift.tolist() == pytest.approx([0.1, np.nan, np.nan], nan_ok=True)
    with pytest.raises(CatalogueError, match="UTF8"):
        read(
            path,
            Mapped.parse(
                "columns: {identifier: note, ra: {column: ra, unit: hourangle}, dec: {column: dec, unit: deg}}"
            ),
        )


def test_numbers_among_angles_are_in_the_unit_of_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("id,ra,dec\na,1.5,-999\nb, 01:30:00 ,-0:30:00\nc,1h30m,+2.5e1\nd,--,1\n")
    text = "columns: {identifier: id, ra: {column: ra, unit: hourangle}, dec: {column: dec, unit: deg, unknown: -999}}"
    found, without = read(path, Mapped.parse(text))
    assert (found.identifier.to_pylist(), without) == (["b", "c"], 2)
    assert found.ra.tolist() == pytest.approx([22.5, 22.5])
    assert found.dec.tolist() == pytest.approx([-0.5, 25.0])


def test_numbers_of_csv_are_not_parsed_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("id,ra,dec\n" + "".join(f"{row},{row / 1000},{row / 10000}\n" for row in range(200_000)))
    mapping = Mapped.parse("columns: {identifier: id, ra: {column: ra, unit: deg}, dec: {column: dec, unit: deg}}")
    start = time.process_time()
    found, _ = read(path, mapping)
    assert time.process_time() - start < 5.0  # as angles in text: 20 s
    assert found.ra[199_999] == 199.999


def test_rows_without_a_position_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("identifier,ra,dec\na,10,20\nb,,20\nc,10,91\nd,-1,-90\ne,38000,1\n")
    found, without = read(path)
    assert (found.identifier.to_pylist(), without) == (["a", "d"], 3)
    assert found.ra.tolist() == [10.0, 359.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("columns: [", "is not YAML"),
        ("names: {}", "has no `columns`"),
        ("columns: {identifier: a, ra: b}", "does not say where dec come"),
        ("columns: {identifier: a, ra: b, dec: c, size: d}", "no standard column 'size'"),
        ("columns: {identifier: a, ra: b, dec: {column: c, unit: parsnip}}", "'parsnip' is not a unit"),
        ("columns: {identifier: a, ra: b, dec: {column: c, unit: m}}", "cannot be in m; it is in deg"),
        ("columns: {identifier: a, ra: b, dec: {column: c, value: 1}}", "either a column or a value"),
        ("columns: {identifier: a, ra: b, dec: {name: c}}", "dec is a column, or has some of"),
        ("columns: {identifier: a, ra: b, dec: c, ra: d}", "'ra' occurs twice"),
        ("columns: {identifier: a, ra: b, dec: {column: c, unit: null}}", "None is not a unit"),
        ("columns: {identifier: a, ra: b, dec: {column: 3}}", "3 is not the name of a column"),
        (
            "columns: {identifier: a, ra: b, dec: c, magnitude: {column: m, unknown: '99'}}",
            "'99', which is not a number",
        ),
        ("columns: {identifier: a, ra: b, dec: c, epoch: {value: J2000}}", "'J2000' is not"),
        ("columns: {identifier: a, ra: b, dec: c, epoch: {value: 57000}}", "57000 is not a Julian year"),
        ("columns: {identifier: a, ra: b, dec: c, band: {value: 5}}", "band is a text; put 5 in quotes"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(text: str, says: str) -> None:
    with pytest.raises(CatalogueError, match=says):
        Mapped.parse(text)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.csv", "identifier,ra\na,1\n", "has no column dec"),
        ("c.csv", "identifier,ra,dec\na,1,north\n", "column 'dec' cannot be read"),
        ("c.csv", "identifier,ra,dec\na,1,2,3\n", "cannot be read"),
        ("c.csv", "identifier,ra,dec,dec\na,1,2,3\n", "2 columns 'dec'"),
        ("c.csv", "identifier,ra,dec,epoch\na,1,2,15.5\n", "15.5 is not a Julian year"),
        ("c.fits", "SIMPLE", "cannot be read"),
        ("c.vot", "<VOTABLE", "cannot be read"),
        ("c.parquet", "PAR1", "cannot be read"),
        ("c.doc", "", "does not have the extension"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CatalogueError, match=says):
        read(path)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.csv")
    with pytest.raises(CatalogueError, match="neither a file nor a folder"):
        CatalogueStore(tmp_path / "store").add("c", tmp_path / "c.csv")
    with pytest.raises(CatalogueError, match="neither a file nor a folder"):
        read(tmp_path / "c.csv")


@pytest.mark.parametrize(("line", "says"), [("c," * 20_000, "20,001 columns"), ("x" * (2 << 20), "its first line")])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_of_very_many_columns_is_refused(tmp_path: Path, line: str, says: str, zipped: bool) -> None:
    path = tmp_path / ("c.csv.gz" if zipped else "c.csv")
    path.write_bytes(gzip.compress(line.encode()) if zipped else line.encode())
    with pytest.raises(CatalogueError, match=says):
        list(read_parts(path))


def test_a_compressed_fits_file_that_claims_the_impossible_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.fits.gz"
    path.write_bytes(gzip.compress(b"SIMPLE  =                    T".ljust(80) + b"NAXIS   =  9999999999".ljust(2800)))
    with pytest.raises(CatalogueError, match="NAXIS is 9999999999"):
        list(read_parts(path))


def test_the_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b" / "a.csv"
    other.parent.mkdir()
    one.write_text("x")
    other.write_text("x")
    assert checksum(one) == checksum(other)
    other.write_text("y")
    assert checksum(one) != checksum(other)


def test_the_mappings_of_the_documentation_can_be_read() -> None:
    text = (Path(__file__).parents[2] / "docs" / "context.md").read_text()
    found = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(found) >= 5
    for mapping in found:
        assert set(REQUIRED) <= set(Mapped.parse(mapping).columns)
