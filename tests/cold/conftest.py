"""A cold store on a real S3 server on loopback, and one in a folder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.cold.catalogue import ColdStore
from broker_assets.database.engine import connect

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    """URL of a bucket, which this process reaches by the usual variables."""
    import s3fs
    from file_servers import S3Server

    named = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    before = {name: os.environ.get(name) for name in (*named, "AWS_ENDPOINT_URL")}
    with S3Server(f"cold-{next(_numbers)}") as server:
        os.environ |= {**named, "AWS_ENDPOINT_URL": server.endpoint}
        s3fs.S3FileSystem.clear_instance_cache()
        yield server.url()
        s3fs.S3FileSystem.clear_instance_cache()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@pytest.fixture
def s3_store(database_url: str, bucket_url: str) -> ColdStore:
    """A cold store on S3."""
    return ColdStore(database_url, f"{bucket_url}/{next(_numbers)}")


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> ColdStore:
    """A cold store in a folder."""
    return ColdStore(database_url, (tmp_path / "cold").as_uri())


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the database of this test."""
    with connect(database_url) as opened:
        yield opened
