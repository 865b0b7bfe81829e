import psycopg
import pytest
from snana_files import light_curve, write_simulation

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.loading import FileLoaded, load_simulations
from broker_assets.tom.survey.snana import Reading, photometry_file

pytestmark = pytest.mark.database


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "SIMULATION"
    write_simulation(folder, {7: light_curve([60300.0, 60301.0], detected=[False, True])}, name="A-0001")
    write_simulation(folder, {8: light_curve([60300.0]), 9: light_curve([60302.0])}, name="A-0002", compressed=False)
    return folder


def counts(url, target="ppdb"):
    prefix = f"elasticc2_{target}" if target == "ppdb" else "elasticc2_training"
    truth = "elasticc2_diaobjecttruth" if target == "ppdb" else "elasticc2_trainingdiaobjecttruth"
    tables = [f"{prefix}{name}" for name in ("diaobject", "diasource", "diaforcedsource", "alert")] + [truth]
    with psycopg.connect(conninfo(url)) as connection:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in tables]


def test_rows_alerts_and_truth_are_stored(database_url, folder):
    report = load_simulations(database_url, [folder], "ppdb")
    assert counts(database_url) == [3, 3, 4, 3, 3]
    assert counts(database_url, "training") == [0] * 5
    assert [one.outcome for one in report.files] == ["loaded"] * 3
    assert {name: report.rows(name) for name in ("objects", "sources", "forced", "alerts", "truth")} == {
        "objects": 3, "sources": 3, "forced": 4, "alerts": 3, "truth": 3,
    }  # fmt: skip
    with psycopg.connect(conninfo(database_url)) as connection:
        row = connection.execute(
            "SELECT filtername, psflux::text, snr, ra, alertsenttimestamp FROM elasticc2_ppdbalert"
            " JOIN elasticc2_ppdbdiasource USING (diasource_id) WHERE alert_id = 700001"
        ).fetchone()
    assert row == ("i", "363.07803", 10.0, 10.0, None)


def test_a_second_load_changes_nothing(database_url, folder):
    load_simulations(database_url, [folder], "training")
    report = load_simulations(database_url, [folder], "training")
    assert [one.outcome for one in report.files] == ["known"] * 3
    assert counts(database_url, "training") == [3, 3, 4, 3, 3]
    # Read in another way it is another content; the rows are there.
    report = load_simulations(database_url, [folder], "training", reading=Reading(simversion="other"))
    assert report.count("loaded") == 3
    assert (report.rows("objects"), sum(one.present for one in report.files)) == (0, 16)


def test_a_damaged_file_is_reported_and_the_others_are_loaded(database_url, folder):
    photometry = photometry_file(folder / "A-0001_HEAD.FITS.gz")
    whole = photometry.read_bytes()
    photometry.write_bytes(whole[:200])
    seen: list[FileLoaded] = []
    report = load_simulations(database_url, [folder], "ppdb", done=seen.append)
    assert seen == report.files
    assert [one.path.name for one in report.failed] == ["A-0001_HEAD.FITS.gz", "SIMULATION.DUMP"]
    assert "PHOT.FITS.gz cannot be unpacked" in str(report.failed[0].failure)
    assert "1 of 3 objects of the truth were not loaded" in str(report.failed[1].failure)
    assert counts(database_url) == [2, 2, 2, 2, 2]
    with psycopg.connect(conninfo(database_url)) as connection:
        failures = connection.execute("SELECT count(*) FROM simulation_files WHERE failure IS NOT NULL").fetchone()
    assert failures == (2,)
    # After it is repaired, only what was missing is loaded.
    photometry.write_bytes(whole)
    report = load_simulations(database_url, [folder], "ppdb")
    assert [one.outcome for one in report.files] == ["loaded", "known", "loaded"]
    assert counts(database_url) == [3, 3, 4, 3, 3]


def test_a_folder_without_simulation_is_reported(database_url, folder, tmp_path):
    report = load_simulations(database_url, [tmp_path / "NOWHERE", folder], "ppdb")
    assert [one.outcome for one in report.files] == ["failed", "loaded", "loaded", "loaded"]
    assert "No such folder" in str(report.failed[0].failure)


def test_detections_that_brokers_reported_before_are_imported_next(database_url, folder):
    with psycopg.connect(conninfo(database_url)) as connection:
        for source in (700001, 700000, 5):
            connection.execute(
                "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id,"
                " diasource_id, classifier_id, classid, probability) VALUES (%s, 't', 0, %s, %s, 1, '{}', '{}')",
                (source, source, source),
            )
    load_simulations(database_url, [folder], "training")
    load_simulations(database_url, [folder], "ppdb", write=False)
    with psycopg.connect(conninfo(database_url)) as connection:
        assert connection.execute("SELECT * FROM elasticc2_brokersourceids").fetchall() == []
    load_simulations(database_url, [folder], "ppdb")
    with psycopg.connect(conninfo(database_url)) as connection:
        # 700000 is a point that is not a detection.
        assert connection.execute("SELECT * FROM elasticc2_brokersourceids").fetchall() == [(700001,)]


def test_another_simulation_with_the_same_numbers_is_refused(database_url, folder, tmp_path):
    load_simulations(database_url, [folder], "ppdb")
    before = counts(database_url)
    other = tmp_path / "OTHER"
    # At the same place, and longer; then at another one.
    write_simulation(other, {7: light_curve([60300.0, 60302.0, 60303.0])}, name="A-0001")
    write_simulation(other, {9: light_curve([60302.0]), 10: light_curve([60302.0])}, name="A-0002")
    report = load_simulations(database_url, [other], "ppdb")
    assert [one.outcome for one in report.files] == ["failed", "failed", "failed"]
    assert "A-0001_HEAD.FITS.gz: object 7 is stored with another point" in str(report.files[0].failure)
    assert "A-0002_HEAD.FITS.gz: object 9 is stored with another position" in str(report.files[1].failure)
    assert counts(database_url) == before
    # More points of the same object are new rows.
    longer = {7: light_curve([60300.0, 60301.0, 60303.0], detected=[False, True, True])}
    write_simulation(tmp_path / "LONGER", longer, name="A-0001")
    assert not load_simulations(database_url, [tmp_path / "LONGER"], "ppdb").failed
    assert counts(database_url) == [3, 4, 5, 4, 3]


def test_a_simulation_without_truth_is_loaded_and_reported(database_url, folder):
    (folder / "SIMULATION.DUMP").unlink()
    report = load_simulations(database_url, [folder], "ppdb")
    assert sorted(one.outcome for one in report.files) == ["failed", "loaded", "loaded"]
    assert "has no truth: SIMULATION.DUMP is missing" in str(report.failed[0].failure)
    assert counts(database_url) == [3, 3, 4, 3, 0]


def test_tables_that_were_emptied_are_loaded_again(database_url, folder):
    load_simulations(database_url, [folder], "ppdb")
    with psycopg.connect(conninfo(database_url)) as connection:
        connection.execute("TRUNCATE elasticc2_ppdbdiaobject CASCADE")
    # One after the other: rows of the first file do not make the second one known.
    report = load_simulations(database_url, [folder], "ppdb", at_once=1)
    assert [one.outcome for one in report.files] == ["loaded"] * 3
    assert counts(database_url) == [3, 3, 4, 3, 3]


def test_a_dry_run_reads_everything_and_writes_nothing(database_url, folder):
    report = load_simulations(database_url, [folder], "ppdb", write=False)
    assert [one.outcome for one in report.files] == ["read"] * 3
    assert report.rows("forced") == 4
    assert counts(database_url) == [0] * 5


def test_chosen_files_bring_their_part_of_the_truth(database_url, folder):
    report = load_simulations(database_url, [folder], "ppdb", files=["A-0002_HEAD.FITS"])
    assert not report.failed
    assert counts(database_url) == [2, 2, 2, 2, 2]
    load_simulations(database_url, [folder], "ppdb")
    assert counts(database_url) == [3, 3, 4, 3, 3]


@pytest.mark.shared
def test_the_shared_simulation_is_counted_as_by_the_peer(survey_url):
    assert counts(survey_url) == [346, 1862, 52172, 1862, 346]
