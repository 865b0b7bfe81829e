"""A local archive, product files made for a test, and a server to deliver to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import small_products
from file_servers import SftpServer


@pytest.fixture(scope="session")
def products() -> ModuleType:
    """Makes product files: `products.put(folder, name, rows=…)`, `products.request(number)`."""
    return small_products


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An empty local archive."""
    folder = tmp_path / "products"
    folder.mkdir()
    return folder


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[SftpServer]:
    """An SFTP server with an empty folder `archive`."""
    folder = tmp_path / "sftp"
    (folder / "archive").mkdir(parents=True)
    with SftpServer(folder) as server:
        yield server
