from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from broker_assets.packets.registry import SchemaFolder, rubin_schema_folder

# The machine is shared: the first example may have to compile or import what the others use.
settings.register_profile("packets", deadline=None)
settings.load_profile("packets")


def _load(name: str):
    """A module beside the tests that is none itself; tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def registry():
    """A schema registry on loopback."""
    server = _load("schema_registry").Registry()
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
