from __future__ import annotations

from pathlib import Path

import pytest
from schema_registry import Registry

from broker_assets.packets.registry import SchemaFolder, rubin_schema_folder


@pytest.fixture
def registry():
    """A schema registry on loopback."""
    server = Registry()
    yield server
    server.close()


@pytest.fixture(scope="session")
def rubin_schemas() -> SchemaFolder:
    """The schemas of Rubin's alerts, of the optional package."""
    folder = rubin_schema_folder()
    if folder is None:
        pytest.skip("the package lsst-alert-packet is not installed")
    return SchemaFolder(folder)


@pytest.fixture(scope="session")
def alerts(shared_folder: Path) -> Path:
    """Folder of real alerts."""
    return shared_folder / "data" / "alerts"
