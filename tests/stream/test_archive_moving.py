"""The packet archive moved to S3, and read there as from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from upath import UPath

from broker_assets.packets.archive import read_packet
from broker_assets.stream.archive_moving import move_archive
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database


@pytest.fixture
def bucket_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a bucket, which this process reaches by the usual variables."""
    import s3fs
    from file_servers import S3Server

    with S3Server("archive-moving") as server:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        s3fs.S3FileSystem.clear_instance_cache()
        yield server.url("archive")
        s3fs.S3FileSystem.clear_instance_cache()


def test_packets_are_found_in_the_other_store(
    broker: Any, packets: ModuleType, bucket_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = list(packets.Survey(objects=3, visits=4).packets())
    broker.drain(packets.ListSource.of(content))
    before = broker.rows("diasources", without=("ingestid",))
    nights = [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]
    # The folder in which the archive is, by other names: nothing is copied to itself and removed.
    folder, link = Path(str(UPath(broker.archive_url).path)), tmp_path / "link"
    link.symlink_to(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for same in (str(folder), f"file://{folder}/", f"file://{folder.parent}/x/../{folder.name}", str(link)):
        there = move_archive(broker.database_url, same, remove=True)
        assert (there.files, there.there > 0) == (0, True), same
        assert sorted(path for path in folder.rglob("*") if path.is_file()) == files
    monkeypatch.chdir(tmp_path)
    assert move_archive(broker.database_url, "moved here").there == 0
    assert broker.value("SELECT count(*) FROM archive_file WHERE url LIKE %s", [f"file://{tmp_path}/moved here/%"]) > 0
    move_archive(broker.database_url, broker.archive_url)
    moved = move_archive(broker.database_url, bucket_url, remove=True)
    assert (moved.files, moved.there) == (broker.value("SELECT count(*) FROM archive_file"), 0)
    assert move_archive(broker.database_url, bucket_url).there == moved.files
    urls = [url for (url,) in broker.query("SELECT url FROM archive_file ORDER BY archivefileid")]
    assert all(url.startswith(f"{bucket_url}/alerts/{night}/") for url, night in zip(urls, nights, strict=True))
    assert not list(Path(broker.archive).rglob("*.avro"))
    # One packet by a read of its range, and a night rebuilt, as from a folder.
    position = broker.query(
        "SELECT url, archiveposition, archivelength FROM diasources JOIN archive_file USING (archivefileid) LIMIT 1"
    )[0]
    assert read_packet(*position).datum
    for night in nights:
        reprocess_night(broker.database_url, night, surveys={"alerts": "rubin"}, plan=broker.plan)
    assert broker.rows("diasources", without=("ingestid",)) == before
