import datetime
import gzip
import tarfile

import numpy as np
import psycopg
import pytest
from survey_topics import MemoryTopics, numbers

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.alerts import AlertWriter
from broker_assets.tom.survey.fits_tables import DamagedFile
from broker_assets.tom.survey.folders import NightFiles, campaign_nights, folder_nights, send_folders
from broker_assets.tom.survey.kafka_topics import SendFailed
from broker_assets.tom.survey.sending import Pace

BEGIN = datetime.datetime(2022, 9, 28, 7, tzinfo=datetime.UTC)
QUICK = Pace(flush_every=2, confirm_seconds=-2.0)


@pytest.fixture
def place(tmp_path, small_curves):
    """Three nights: an archive with times in names, a folder without, and an empty one."""
    ids = np.asarray(small_curves.sources["diasource_id"])
    mjd = np.asarray(small_curves.sources["midpointtai"])
    datums = AlertWriter(small_curves).write(ids, ids)
    place = tmp_path / "ALERTS"
    (place / "2023-12-22").mkdir(parents=True)
    (place / "2024-01-01").mkdir()
    (place / "README").write_text("not a night")
    first = [number for number in range(len(ids)) if mjd[number] < 60301]
    with tarfile.open(place / "NITE60299.tar.gz", "w:gz") as archive:
        for number in reversed(first):
            path = tmp_path / f"alert_mjd{mjd[number]:.4f}_obj7_src{ids[number]}.avro.gz"
            path.write_bytes(gzip.compress(datums[number]))
            archive.add(path, path.name)
    for number in range(len(ids)):
        if number not in first:
            (place / "2023-12-22" / f"{ids[number]}.avro").write_bytes(datums[number])
    return place


EVERY = [700003, 700004, 700005, 800000, 800001, 800002, 700007]


def test_nights_are_folders_and_archives(place):
    assert {day: [path.name for path in paths] for day, paths in folder_nights([place]).items()} == {
        60299: ["NITE60299.tar.gz"], 60300: ["2023-12-22"], 60310: ["2024-01-01"],
    }  # fmt: skip
    with pytest.raises(FileNotFoundError):
        folder_nights([place / "nowhere"])


def test_files_are_in_the_order_of_time(place):
    for day, ids in ((60299, EVERY[:3]), (60300, EVERY[3:])):
        files = NightFiles(folder_nights([place])[day], "0.9.1")
        assert [one.alert for one in files.prepared(0, len(files), "t")] == ids
        files.close()


@pytest.mark.database
def test_every_night_is_sent_once(database_url, place):
    topics = MemoryTopics()
    report = send_folders(database_url, topics, [place], "alerts", pace=QUICK, nights=range(60300, 60400))
    assert (report.alerts, numbers(topics.of("alerts"))) == (4, EVERY[3:])
    report = send_folders(database_url, topics, [place], "alerts", pace=QUICK)
    assert numbers(topics.of("alerts")) == [*EVERY[3:], *EVERY[:3]]
    assert send_folders(database_url, topics, [place], "alerts", pace=QUICK).alerts == 0


def test_a_night_that_is_there_twice_is_sent_once(place, tmp_path):
    """As an archive and unpacked, compressed and not, and in another place."""
    unpacked = place / "60299"
    with tarfile.open(place / "NITE60299.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    packed = sorted(unpacked.iterdir())
    packed[0].with_suffix("").write_bytes(gzip.decompress(packed[0].read_bytes()))
    (tmp_path / "OTHER").mkdir()
    unpacked.rename(tmp_path / "OTHER" / "20231221")
    paths = folder_nights([place, tmp_path / "OTHER"])[60299]
    assert len(paths) == 2
    files = NightFiles(paths, "0.9.1")
    assert [one.alert for one in files.prepared(0, len(files), "t")] == EVERY[:3]
    files.close()
    (tmp_path / "OTHER" / "20231221" / packed[0].name).write_bytes(gzip.compress(b"another"))
    with pytest.raises(DamagedFile, match="have two different alerts alert_mjd60300"):
        NightFiles(paths, "0.9.1")


@pytest.mark.parametrize("place_of_damage", [12, 40, -9])
def test_a_damaged_compressed_file_is_named(place, place_of_damage):
    for path in (place / "2023-12-22").iterdir():
        content = bytearray(gzip.compress(path.read_bytes()))
        content[place_of_damage] ^= 0xFF
        path.with_suffix(".avro.gz").write_bytes(content)
        path.unlink()
    with pytest.raises(DamagedFile, match=r"2023-12-22.*\.avro\.gz"):
        NightFiles(folder_nights([place])[60300], "0.9.1")
    archive = bytearray((place / "NITE60299.tar.gz").read_bytes())
    archive[len(archive) // 2] ^= 0xFF
    (place / "NITE60299.tar.gz").write_bytes(archive)

    def read():
        files = NightFiles(folder_nights([place])[60299], "0.9.1")
        files.prepared(0, len(files), "t")

    with pytest.raises(DamagedFile, match=r"NITE60299\.tar\.gz"):
        read()


@pytest.mark.database
@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_sender_that_fails_leaves_no_alert_out_and_sends_none_twice(database_url, place, after):
    topics = MemoryTopics()
    topics.fail_after = after
    with pytest.raises(SendFailed):
        send_folders(database_url, topics, [place], "alerts", pace=QUICK)
    topics.fail_after = None
    # Another size of batches: what was under way is that of the sender that died.
    send_folders(database_url, topics, [place], "alerts", pace=Pace(flush_every=1, confirm_seconds=-2.0))
    assert sorted(numbers(topics.of("alerts"))) == sorted(EVERY)
    with psycopg.connect(conninfo(database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM alert_sendings").fetchone() == (0,)


@pytest.mark.database
def test_a_damaged_file_is_named(database_url, place):
    (place / "2023-12-22" / "800000.avro").write_bytes(b"\xff" * 30)
    with pytest.raises(DamagedFile, match=r"2023-12-22.*800000\.avro"):
        send_folders(database_url, MemoryTopics(), [place], "alerts", pace=QUICK)
    (place / "NITE60298.tar.gz").write_bytes(b"no archive")
    with pytest.raises(DamagedFile, match="is not a tar file"):
        send_folders(database_url, MemoryTopics(), [place], "alerts", pace=QUICK)


def test_the_nights_of_a_day_of_a_campaign():
    now = BEGIN + datetime.timedelta(days=3, hours=5)
    assert campaign_nights(60274, BEGIN, 10, now) == range(60304, 60314)
    assert campaign_nights(60274, BEGIN, 10, now, last=60309) == range(60304, 60310)
    assert len(campaign_nights(60274, BEGIN, 10, now, last=60300)) == 0
    assert len(campaign_nights(60274, BEGIN, 10, BEGIN - datetime.timedelta(days=1))) == 0
