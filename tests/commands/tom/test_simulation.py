import tarfile

import pytest
from snana_files import light_curve, write_simulation

pytestmark = pytest.mark.database


@pytest.fixture
def folders(tmp_path):
    made = []
    for number in (7, 8):
        folder = tmp_path / f"SIMULATION{number}"
        write_simulation(folder, {number: light_curve([60300.25, 60301.25])})
        made.append(folder)
    return made


def test_simulations_are_loaded_with_the_originals_options(command, folders):
    dry = command("tom", "load_snana_fits", "-d", *folders, "--train")
    assert (
        "4 read: 2 objects, 4 detections, 4 forced measurements, 4 alerts, 2 rows of truth in the files" in dry.output
    )
    done = command("tom", "load_snana_fits", "-n", 2, "-d", *folders, "--ppdb", "--verbose", "--do")
    assert done.exit_code == 0
    assert "4 loaded: 2 objects, 4 detections, 4 forced measurements, 4 alerts, 2 rows of truth new" in done.output
    assert "4 known" in command("tom", "load-snana-fits", "--directories", *folders, "--ppdb", "--do").output


def test_a_file_that_fails_is_named_and_the_exit_code_says_so(command, folders):
    next(folders[0].glob("*PHOT*")).write_bytes(b"damaged")
    done = command("tom", "load-snana-fits", "-d", *folders, "--ppdb", "--do")
    assert done.exit_code == 1
    assert "2 loaded, 2 failed" in done.output
    assert "PHOT.FITS.gz is not a FITS file" in done.output


def test_the_tables_must_be_chosen(command, folders):
    for flags in ([], ["--ppdb", "--train"]):
        done = command("tom", "load-snana-fits", "-d", folders[0], *flags)
        assert done.exit_code == 2
        assert "give either --ppdb or --train" in done.output


def test_archives_are_written(command, folders, tmp_path):
    command("tom", "load-snana-fits", "-d", *folders, "--ppdb", "--do")
    arguments = ("tom", "dump_elasticc2_alert_tars", "--start-day", 60300, "-d", 60301, "-s", "0.9.1", "-o", tmp_path)
    assert "4 alerts of 2 days; --do writes them" in command(*arguments).output
    assert command(*arguments, "-c", "--do").exit_code == 0
    with tarfile.open(tmp_path / "60300.tar") as archive:
        assert sorted(archive.getnames()) == ["700000.avro", "800000.avro"]
    assert command(*arguments, "--do").exit_code == 1
    assert "No such folder" in command(*arguments[:-1], tmp_path / "nowhere", "--do").output


def test_the_clock_and_the_schemas(command, tmp_path):
    assert "No alert was sent." in command("tom", "clock").output
    assert command("tom", "write-schemas", tmp_path / "schemas").exit_code == 0
    assert (tmp_path / "schemas" / "elasticc.v0_9_1.brokerClassification.avsc").is_file()
