"""One example of every kind of product, and their schemas."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.telemetry.products.files.reading import ProductTables, read
from broker_assets.telemetry.products.schemas.schema import ProductSchema, schemas
from broker_assets.telemetry.products.schemas.specimens import write_specimens


@pytest.fixture(scope="session")
def specimens(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of every kind and level."""
    return write_specimens(tmp_path_factory.mktemp("specimens"))


@pytest.fixture(scope="session")
def known() -> list[ProductSchema]:
    """Documents of this package."""
    return schemas()


def light_curve(specimens: list[Path]) -> ProductTables:
    """The light curve of level L1."""
    (path,) = (path for path in specimens if "L1_stix-ql-lightcurve" in path.name)
    return read(path)
