"""The default catalogues at the first start of a demonstration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Event

import pytest

from broker_assets.context.store import CatalogueStore
from broker_assets.local.default_catalogues import DefaultCatalogues
from broker_assets.settings import ContextSettings, Settings

PYTHON = sys.executable
PROGRAM = """#!{python}
import sys, pathlib
from broker_assets.context.store import CatalogueStore
path = pathlib.Path({folder!r}) / "vsx.csv"
path.write_text("identifier,ra,dec\\nA,1,2\\n")
CatalogueStore(pathlib.Path({folder!r}) / "catalogues").add("vsx", path)
print(sys.argv[1:])
sys.exit({code})
"""


@pytest.fixture
def said() -> list[str]:
    return []


def program(folder: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in the place of `broker-assets`."""
    bin_ = folder / "bin"
    bin_.mkdir()
    (bin_ / "broker-assets").write_text(PROGRAM.format(python=sys.executable, folder=str(folder), code=code))
    (bin_ / "broker-assets").chmod(0o755)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.setattr(sys, "executable", str(bin_ / "python"))


@pytest.mark.parametrize(("code", "more"), [(0, ""), (1, " Some could not be loaded")])
def test_they_are_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], code: int, more: str
) -> None:
    program(tmp_path, code, monkeypatch)
    settings = Settings(home=tmp_path)
    loading = DefaultCatalogues(settings, said.append)
    assert loading.start()
    loading.wait(Event())
    assert "['catalogues', 'default']" in loading.log.read_text()
    assert said[-1].startswith(f"Catalogues: vsx (1 sources).{more}")
    assert not DefaultCatalogues(settings, said.append).start()
    loading.end()


def test_settings_may_forbid_it(tmp_path: Path, said: list[str]) -> None:
    settings = Settings(home=tmp_path, context=ContextSettings(default_catalogues=False))
    loading = DefaultCatalogues(settings, said.append)
    assert not loading.start()
    loading.wait(Event())
    loading.end()
    assert said == []
    assert CatalogueStore(settings.catalogue_folder).list() == []


def test_an_end_of_the_platform_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    program(tmp_path, 0, monkeypatch)
    (tmp_path / "bin" / "broker-assets").write_text(f"#!{PYTHON}\nimport time\ntime.sleep(60)\n")
    loading = DefaultCatalogues(Settings(home=tmp_path), said.append)
    assert loading.start()
    ending = Event()
    ending.set()
    loading.wait(ending)
    loading.end()
    assert len(said) == 1
