"""The platform of `tests/assets`, for checks that want real rows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_NAME = "tests_assets_conftest"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_NAME, Path(__file__).parents[1] / "assets" / "conftest.py")
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[_NAME] = _module
    _spec.loader.exec_module(_module)

packets = sys.modules[_NAME].packets
platform = sys.modules[_NAME].platform
survey = sys.modules[_NAME].survey
