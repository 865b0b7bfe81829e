import tarfile

import numpy as np
import psycopg
import pytest
from survey_topics import read_alert

from broker_assets.database.engine import conninfo
from broker_assets.tom.survey.archives import ArchiveExists, write_archives

pytestmark = [pytest.mark.database, pytest.mark.shared]

COUNTS = {60278: 8, 60279: 4, 60281: 7, 60282: 2, 60283: 5, 60286: 6}


def test_the_archives_of_the_shared_simulation(survey_url, tmp_path):
    with psycopg.connect(conninfo(survey_url)) as connection:
        connection.execute("UPDATE elasticc2_ppdbalert SET alertsenttimestamp = now() WHERE alert_id % 2 = 0")
        assert write_archives(connection, 60278, 60286, tmp_path, write=False) == COUNTS
        assert list(tmp_path.iterdir()) == []
        assert write_archives(connection, 60278, 60286, tmp_path) == COUNTS
        with pytest.raises(ArchiveExists, match=r"60278\.tar exists; -c overwrites it"):
            write_archives(connection, 60278, 60286, tmp_path)
        assert write_archives(connection, 60278, 60278, tmp_path, clobber=True) == {60278: 8}
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{day}.tar" for day in COUNTS]
    with tarfile.open(tmp_path / "60281.tar") as archive:
        members = {member.name: member for member in archive}
        assert set(members) == {"102879800005.avro", *(f"1552185000{number:02}.avro" for number in range(8, 14))}
        assert {(member.mode, member.mtime) for member in members.values()} == {
            (0o664, next(iter(members.values())).mtime)
        }
        member = archive.extractfile("155218500011.avro")
        assert member is not None
        alert = read_alert(member.read())
    source = alert["diaSource"]
    found = (source["midPointTai"], source["psFlux"], source["psFluxErr"])
    assert np.allclose(found, (60281.0959, 4440.86, 256.23), rtol=0, atol=0.01)
