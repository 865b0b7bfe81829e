"""Folders in which telemetry arrives: on disk, in buckets, on servers."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from received_files import connection, ingest, rows, run, site
from telemetry_arrivals import Site, make_site

from broker_assets.database import engine
from broker_assets.telemetry.reception import folders as incoming_folders
from broker_assets.telemetry.reception.folders import IncomingFolder, folders
from broker_assets.telemetry.reception.receiver import (
    Ingested,
    look,
)

__all__ = ["connection", "ingest", "site"]


pytestmark = pytest.mark.database


def test_files_of_folders_below_are_found_and_hidden_ones_are_not(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    content = site.content([1])
    for name in (
        "2023/a.PktTmRaw.xml",
        ".b.PktTmRaw.xml",
        ".b.PktTmRaw.xml.x7Qm2a",
        "c.PktTmRaw.xml.part",
        "d.PktTmRaw.xml.tmp",
        ".~tmp~/e.PktTmRaw.xml",
        "f.PktTcReport.xml",
    ):
        (site.incoming / name).parent.mkdir(exist_ok=True)
        (site.incoming / name).write_bytes(content)
    assert ingest().count("processed") == 1
    assert rows(connection, "url") == [((site.incoming / "2023/a.PktTmRaw.xml").as_uri(),)]


def test_a_name_that_is_no_text_hinders_no_other(
    site: Site, ingest: Callable[..., Ingested], caplog: pytest.LogCaptureFixture
) -> None:
    Path(os.fsdecode(os.fsencode(site.incoming) + b"/\xff.PktTmRaw.xml")).write_bytes(site.content([1]))
    site.arrive(1, range(2))
    assert ingest().count("processed") == 1
    assert "not UTF-8" in caplog.text


def test_a_folder_that_is_away_loses_nothing_and_hinders_no_other(tmp_path: Path, database_url: str) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    site = make_site(tmp_path, incoming=[str(first), str(second)])
    for folder in (first, second):
        folder.mkdir()
        (folder / f"{folder.name}.PktTmRaw.xml").write_bytes(site.content([1] if folder is first else [2]))
    with engine.connect(database_url, autocommit=True) as connection:
        look(connection, folders(site.settings.telemetry), datetime.datetime.now(datetime.UTC))
        first.rename(tmp_path / "elsewhere")
        done = run(site, database_url)
        assert done.troubles == {first.as_uri(): f"{first.as_uri()} does not exist"}
        assert [row[2] for row in rows(connection)] == ["new", "processed"]
        (tmp_path / "elsewhere").rename(first)
        assert run(site, database_url).new == 1


def test_files_of_a_bucket_in_memory(tmp_path: Path, database_url: str) -> None:
    url = f"memory://{tmp_path.name}-arriving"
    site = make_site(tmp_path, incoming=[url])
    assert run(site, database_url).troubles == {}  # an empty bucket has no folders
    with fsspec.open(f"{url}/a.PktTmRaw.xml", "wb") as stream:
        stream.write(site.content(range(2)))
    assert run(site, database_url).new == 2
    assert run(site, database_url).files == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tm", ""])
def test_files_of_an_sftp_server(tmp_path: Path, database_url: str, sftp_server: Any, folder: str) -> None:
    place = sftp_server.folder / folder
    place.mkdir(exist_ok=True)
    url = sftp_server.url(folder)
    site = make_site(tmp_path, incoming=[url], incoming_options={url: sftp_server.options})
    (place / "a.PktTmRaw.xml").write_bytes(site.content(range(300)))
    (place / ".b.PktTmRaw.xml.Q2x").write_bytes(site.content([1]))
    assert run(site, database_url).new == 300
    sftp_server.stop()
    (trouble,) = run(site, database_url).troubles.values()
    assert "cannot be reached" in trouble
    (place / "c.PktTmRaw.xml").write_bytes(site.content(range(300, 302)))
    sftp_server.start()
    assert run(site, database_url).new == 2
    with engine.connect(database_url) as connection:
        assert [row[2] for row in rows(connection)] == ["processed", "processed"]
        assert "password" not in str(rows(connection, "*"))


@pytest.mark.slow
def test_files_of_an_s3_bucket(tmp_path: Path, database_url: str, s3_server: Any) -> None:
    url = s3_server.url("tm")
    site = make_site(tmp_path, incoming=[url], incoming_options={url: s3_server.options})
    s3_server.client().put_object(Bucket=s3_server.bucket, Key="tm/2023/a.PktTmRaw.xml", Body=site.content(range(300)))
    assert run(site, database_url).new == 300
    s3_server.client().put_object(Bucket=s3_server.bucket, Key="tm/2023/a.PktTmRaw.xml", Body=site.content(range(301)))
    assert run(site, database_url).new == 1


def test_passwords_of_urls_are_not_shown() -> None:
    folder = IncomingFolder("sftp://stix:secret@127.0.0.1:1/tm", "*")
    with pytest.raises(incoming_folders.FolderError) as told, folder:
        pass
    assert "secret" not in f"{told.value}{folder.url}"
