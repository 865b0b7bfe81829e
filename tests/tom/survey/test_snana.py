import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from snana_files import light_curve, write_simulation

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
        ({"SNID": np.array([b"x"], "S16")}, "an SNID is not a number"),
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
    ],
)
def test_a_damaged_truth_is_refused(tmp_path, text, message):
    path = tmp_path / "X.DUMP"
    path.write_text(text)
    with pytest.raises(DamagedFile, match=message):
        read_truth(path)


def test_a_value_of_the_truth_that_is_not_a_number_is_named(tmp_path):
    write_simulation(tmp_path / "BAD", {9: light_curve([60300.0])})
    path = dump_file(tmp_path / "BAD")
    path.write_text(path.read_text().replace("60300.125", "soon"))
    with pytest.raises(DamagedFile, match="PEAKMJD: could not convert"):
        read_truth(path)


def test_an_object_cannot_have_more_points_than_numbers():
    with pytest.raises(ValueError, match="1 to 100000 points"):
        Reading(most_points=100_001)
