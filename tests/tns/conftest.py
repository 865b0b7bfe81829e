"""The test peer of TNS."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def tns() -> ModuleType:
    """Makers of files and the server; see `tns_peer.py`."""
    name = "tests_tns_peer"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / "tns_peer.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    """A TNS that has nothing."""
    with tns.TnsPeer() as peer:
        yield peer
