import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from snana_files import light_curve, write_simulation

from broker_assets.tom.survey.fields import TRUTH_COLUMNS
from broker_assets.tom.survey.fits_tables import DamagedFile
from broker_assets.tom.survey.snana import Reading, dump_file, head_files, photometry_file, read_pair, read_truth


@pytest.mark.shared
def test_the_shared_simulation_gives_the_rows_that_the_peer_stored(shared_folder, simulated):
    rows, truth = simulated
    golden = shared_folder / "data" / "desc_tom" / "alertcycle"
    for table, name, key in (
        (rows.objects, "ppdbdiaobject", "diaobject_id"),
        (rows.sources, "ppdbdiasource", "diasource_id"),
        (rows.forced, "ppdbdiaforcedsource", "diaforcedsource_id"),
        # The peer keeps the time of the peak in single precision.
        (truth.drop_columns(["peakmjd"]), "diaobjecttruth", "diaobject_id"),
    ):
        types = {field.name: pa.string() if pa.types.is_boolean(field.type) else field.type for field in table.schema}
        options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        theirs = pa.csv.read_csv(golden / f"elasticc2_{name}.csv", convert_options=options)
        assert set(table.column_names) <= set(theirs.column_names)
        theirs, ours = theirs.sort_by(key), table.sort_by(key)
        assert ours.num_rows == theirs.num_rows
        for column in table.column_names:
            if column == "isddf":
                assert {"t": True, "f": False}[theirs[column][0].as_py()] is ours[column][0].as_py()
            else:
                assert ours[column].equals(theirs[column]), column
    assert rows.alerts.num_rows == 1862


def test_detections_are_points_with_the_flag_and_have_the_position_of_their_object(tmp_path):
    curves = {9: light_curve([60300.0, 60301.0], detected=[False, True]), 5: light_curve([60299.0], flux=-3.0)}
    rows = read_pair(write_simulation(tmp_path / "TWO", curves))
    assert rows.forced["diaforcedsource_id"].to_pylist() == [900000, 900001, 500000]
    assert rows.sources["diasource_id"].to_pylist() == [900001, 500000]
    assert rows.sources["ra"].to_pylist() == [10.0, 20.0]
    assert rows.sources["snr"].to_pylist() == [10.0, -3.0]
    assert rows.forced["psflux"][0].as_py() == pytest.approx(363.078, abs=0.001)
    assert rows.forced["filtername"].to_pylist() == ["i"] * 3
    assert rows.alerts["alert_id"].to_pylist() == [900001, 500000]
    assert rows.objects["isddf"].to_pylist() == [False, False]


def test_an_object_with_many_points_is_in_a_deep_field(tmp_path):
    rows = read_pair(write_simulation(tmp_path / "DEEP", {9: light_curve((60300.0 + np.arange(1001) / 10).tolist())}))
    assert rows.objects["isddf"].to_pylist() == [True]
    reading = Reading(most_points=1000)
    with pytest.raises(DamagedFile, match="object 9 has 1001 points, more than 1000"):
        read_pair(tmp_path / "DEEP" / "MODEL0-0001_HEAD.FITS.gz", reading)


def test_files_may_be_compressed_or_not_and_mixed(tmp_path):
    head = write_simulation(tmp_path / "MIXED", {9: light_curve([60300.0])}, compressed=False)
    plain = head.with_name("MODEL0-0001_PHOT.FITS")
    assert photometry_file(head) == plain
    packed = plain.with_name("MODEL0-0001_PHOT.FITS.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert photometry_file(head) == packed
    assert read_pair(head).forced.num_rows == 1
    assert head_files(tmp_path / "MIXED") == [head]


def test_a_model_without_quantiles_of_redshifts_has_nulls(tmp_path):
    rows = read_pair(write_simulation(tmp_path / "GALACTIC", {9: light_curve([60300.0])}, quantiles=False))
    assert rows.objects["hostgal_zphot_q000"].to_pylist() == [None]
    assert rows.objects["hostgal_zphot"].to_pylist() == [-9.0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"PTROBS_MAX": np.array([99], np.int32)}, "the points of object 9 are rows 1 to 99, the photometry has 2"),
        ({"PTROBS_MIN": np.array([0], np.int32)}, "the points of object 9 are rows 0 to 1"),
        ({"SNID": np.array([b"x"], "S16")}, "SNID of row 1 is 'x', not a whole number"),
        ({"RA": np.array([np.nan])}, "object 9 is at nan, -30.0: that is not a position in degrees"),
        ({"DEC": np.array([-91.0])}, "object 9 is at 10.0, -91.0: that is not a position in degrees"),
        ({"SNID": np.array([b"-4"], "S16")}, "an SNID is not between 1 and"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path, header, message):
    head = write_simulation(tmp_path / "WRONG", {9: light_curve([60300.0])}, header=header)
    with pytest.raises(DamagedFile, match=message):
        read_pair(head)


def test_what_is_missing_is_named(tmp_path):
    head = write_simulation(tmp_path / "GONE", {9: light_curve([60300.0])})
    photometry_file(head).unlink()
    with pytest.raises(DamagedFile, match=r"has no photometry next to it: MODEL0-0001_PHOT\.FITS\.gz is missing"):
        read_pair(head)
    dump_file(tmp_path / "GONE").unlink()
    with pytest.raises(DamagedFile, match=r"has no truth: GONE\.DUMP is missing"):
        dump_file(tmp_path / "GONE")
    with pytest.raises(FileNotFoundError):
        head_files(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        head_files(tmp_path / "GONE", ["OTHER_HEAD.FITS"])
    (tmp_path / "EMPTY").mkdir()
    with pytest.raises(DamagedFile, match="has no file"):
        head_files(tmp_path / "EMPTY")


def test_a_time_that_is_not_finite_is_refused(tmp_path):
    head = write_simulation(tmp_path / "NAN", {9: light_curve([float("nan")])})
    with pytest.raises(DamagedFile, match="a time of object 9 is not finite"):
        read_pair(head)


@pytest.fixture
def two(tmp_path):
    """Two files, of objects with 2 and 1 points, and with 4 and 1."""
    first = {9: light_curve([60300.0, 60301.0]), 5: light_curve([60299.0])}
    second = {20: light_curve([60310.0, 60311.0, 60312.0, 60313.0]), 21: light_curve([60314.0])}
    return [write_simulation(tmp_path / "TWO", one, name=name) for name, one in (("A", first), ("B", second))]


def photometry(head, change):
    """Write the photometry of a header file again, changed."""
    path = photometry_file(head)
    with fits.open(path) as file:
        table = Table(file[1].data)
    fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(change(table))]).writeto(path, overwrite=True)


def test_photometry_of_another_header_gives_no_object_points_of_another(two):
    photometry_file(two[1]).replace(photometry_file(two[0]))
    with pytest.raises(DamagedFile, match="object 9, rows 1 to 2, are followed by a row of no object"):
        read_pair(two[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table[::-1], "object 9, rows 1 to 2, have the end of another object among them"),
        (lambda table: table[[1, 0, 2, 2, 3, 3]], "object 5, rows 4 to 4, have the end of another object"),
        (lambda table: table[[0, 1, 3, 3, 4]], "object 9, rows 1 to 2, are followed by a row of no object"),
    ],
)
def test_rows_in_another_order_are_refused(two, change, message):
    photometry(two[0], change)
    with pytest.raises(DamagedFile, match=message):
        read_pair(two[0])


def test_ranges_of_rows_are_whole_light_curves(two):
    def ranges(first, last):
        with fits.open(two[0]) as file:
            table = Table(file[1].data)
        table["PTROBS_MIN"], table["PTROBS_MAX"] = first, last
        fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(table)]).writeto(two[0], overwrite=True)
        return read_pair(two[0]).forced["diaforcedsource_id"].to_pylist()

    assert ranges([1, 4], [2, 4]) == [900000, 900001, 500000]
    assert ranges([1, 4], [3, 5]) == [900000, 900001, 500000]  # the ends are counted too
    assert ranges([4, 1], [4, 2]) == [900000, 500000, 500001]
    assert ranges([1, 4], [2, 3]) == [900000, 900001]  # an object without points
    for first, last, message in (
        ([1, 1], [2, 2], "rows of object 5 are those of another object too"),
        ([1, 4], [1, 4], "object 9, rows 1 to 1, are followed by a row of no object"),
        ([2, 4], [2, 4], "object 9, rows 2 to 2, follow a row of no object"),
        ([1, 1], [4, 4], "object"),
    ):
        with pytest.raises(DamagedFile, match=message):
            ranges(first, last)
    # Files without ends of objects are read by their ranges alone.
    photometry(two[0], lambda table: table[table["MJD"] > 0])
    assert ranges([1, 3], [2, 3]) == [900000, 900001, 500000]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("BAND", ["LSST-g"] * 5, "a point of object 9 is in the band 'LSST-g'; bands are u, g, r, i, z, Y"),
        ("BAND", ["i", "", "i", "i", "i"], "a point of object 9 is in the band ''"),
        ("BAND", np.arange(5), "BAND is not a text"),
        ("FLUXCAL", np.full(5, 3e38, np.float32), "a FLUXCAL is too large for a flux of 32 bits"),
        ("PHOTFLAG", ["x"] * 5, "PHOTFLAG of row 1 is 'x', not a whole number"),
        ("PHOTFLAG", MaskedColumn([4096] * 5, mask=[0, 1, 0, 0, 0]), "row 2 has no PHOTFLAG"),
        ("MJD", ["soon"] * 5, "MJD of row 1 is 'soon', not a number"),
    ],
)
def test_values_of_points_that_cannot_be_are_refused(two, name, values, message):
    photometry(two[0], lambda table: (table.replace_column(name, values), table)[1])
    with pytest.raises(DamagedFile, match=message):
        read_pair(two[0])


def test_columns_may_have_other_names_types_and_order(two):
    expected = read_pair(two[0])

    def other(table):
        table["PHOTFLAG"] = table["PHOTFLAG"].astype("f8")
        return Table({name.lower(): table[name] for name in sorted(table.colnames)})

    photometry(two[0], other)
    found = read_pair(two[0])
    assert (found.forced, found.sources) == (expected.forced, expected.sources)


def test_the_truth_is_read_by_the_names_of_its_variables(tmp_path):
    write_simulation(tmp_path / "TRUE", {9: light_curve([60300.0]), 10: light_curve([60300.0])}, gentype=50)
    truth = read_truth(dump_file(tmp_path / "TRUE"))
    assert truth["diaobject_id"].to_pylist() == [9, 10]
    assert truth["gentype"].to_pylist() == [50, 50]
    assert truth["peakmjd"].to_pylist() == [60300.125] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VARNAMES: CID\nSN: 4\n", "has no variable LIBID"),
        ("SN: 4\n", "line 1 has 1 values of 0 variables"),
        ("VARNAMES: CID\nVARNAMES: CID\n", "line 2 names the variables again"),
        (f"VARNAMES: {' '.join(TRUTH_COLUMNS)} ZCMB\n", "has two variables ZCMB"),
    ],
)
def test_a_damaged_truth_is_refused(tmp_path, text, message):
    path = tmp_path / "X.DUMP"
    path.write_text(text)
    with pytest.raises(DamagedFile, match=message):
        read_truth(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (" 60300.125", " soon", "line 3: PEAKMJD is 'soon', not a number"),
        (" 60300.125", " 6_0300", "line 3: PEAKMJD is '6_0300', not a number"),
        (" 77 ", " 7.7 ", "line 3: GENTYPE is '7.7', not a whole number"),
        (" 77 ", " 99999999999 ", "line 3: GENTYPE is 99999999999, which does not fit its column"),
        (" 888 ", f" {2**63} ", f"line 3: CID is {2**63}, which does not fit its column"),
        (" 888 ", " 889 ", "line 4 has the object 889 again"),
        ("  1 ", "  1e39 ", "1e39, which does not fit its column|1e39', not a whole number"),
    ],
)
def test_a_value_of_the_truth_that_cannot_be_is_named(tmp_path, before, after, message):
    write_simulation(tmp_path / "BAD", {888: light_curve([60300.0]), 889: light_curve([60300.0])}, gentype=77)
    path = dump_file(tmp_path / "BAD")
    path.write_text(path.read_text().replace("\n\n", "\n").replace(before, after, 1))
    with pytest.raises(DamagedFile, match=message):
        read_truth(path)


def test_the_truth_may_be_compressed(tmp_path):
    write_simulation(tmp_path / "PACKED", {9: light_curve([60300.0])})
    path = dump_file(tmp_path / "PACKED")
    plain = path.read_bytes()
    path.unlink()
    path.with_name("PACKED.DUMP.gz").write_bytes(gzip.compress(plain))
    assert read_truth(dump_file(tmp_path / "PACKED"))["diaobject_id"].to_pylist() == [9]
    path.with_name("PACKED.DUMP.gz").write_bytes(gzip.compress(plain)[:-20])
    with pytest.raises(DamagedFile, match="cannot be unpacked"):
        read_truth(dump_file(tmp_path / "PACKED"))


def test_an_object_cannot_have_more_points_than_numbers():
    with pytest.raises(ValueError, match="1 to 100000 points"):
        Reading(most_points=100_001)
