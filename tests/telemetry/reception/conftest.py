"""Servers that telemetry files arrive on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_servers import S3Server, SftpServer


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[Any]:
    """An SFTP server."""
    (tmp_path / "sftp").mkdir()
    with SftpServer(tmp_path / "sftp") as server:
        yield server


@pytest.fixture
def s3_server() -> Iterator[Any]:
    """An S3 server with an empty bucket."""
    with S3Server("arriving") as server:
        yield server
