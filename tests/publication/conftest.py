"""Servers to deliver to, and product files that exist for a test only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deliveries import archive, products, sftp_server
from file_servers import S3Server
from tenacity import wait_fixed

__all__ = ["archive", "products", "sftp_server"]

_numbers = itertools.count(1)


@pytest.fixture
def s3_server() -> Iterator[Any]:
    """An S3 server with an empty bucket."""
    with S3Server(f"bucket-{next(_numbers)}") as server:
        yield server


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    """A connection to a migrated database of this test."""
    from broker_assets.database.engine import connect

    with connect(database_url) as opened:
        yield opened


@pytest.fixture(params=["local", "sftp", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A target of each kind, on real servers, with what it holds seen from the other side."""
    from broker_assets.publication.targets import Target

    if request.param == "local":
        folder = tmp_path / "far"
        folder.mkdir()
        return Remote(Target("archive", str(folder), wait=wait_fixed(0.01)), lambda: contents(folder), folder, None)
    if request.param == "sftp":
        server = request.getfixturevalue("sftp_server")
        target = Target("archive", server.url("archive"), server.options, wait=wait_fixed(0.01))
        return Remote(target, lambda: contents(server.folder / "archive"), server.folder / "archive", server)
    server = request.getfixturevalue("s3_server")
    target = Target("archive", server.url("folder"), server.options, wait=wait_fixed(0.01))
    return Remote(
        target, lambda: {name.removeprefix("folder/"): data for name, data in server.files().items()}, None, server
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, temporary ones too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Remote:
    """A target with what it holds."""

    target: Any
    files: Callable[[], dict[str, bytes]]
    folder: Path | None
    """Of a target that is a folder on this machine."""
    server: Any
