"""Servers to deliver to, and product files that exist for a test only."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_numbers = itertools.count(1)


def _load(name: str) -> ModuleType:
    """A module beside this file; test folders are no packages."""
    full = f"tests_publication_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).parent / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[Any]:
    """An SFTP server with an empty folder `archive`."""
    folder = tmp_path / "sftp"
    (folder / "archive").mkdir(parents=True)
    with _load("servers").SftpServer(folder) as server:
        yield server


@pytest.fixture
def s3_server() -> Iterator[Any]:
    """An S3 server with an empty bucket."""
    with _load("servers").S3Server(f"bucket-{next(_numbers)}") as server:
        yield server
