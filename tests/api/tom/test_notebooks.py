"""The notebooks of the documentation run from the first cell to the last, and are stored without results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.database, pytest.mark.shared]

NOTEBOOKS = sorted((Path(__file__).parents[3] / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    found: list[dict[str, Any]] = notebook["cells"]
    assert len({cell["id"] for cell in found}) == len(found)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path: Path, snapshot_site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kernel does it: one cell after the other, in one place for names."""
    plots = pytest.importorskip("matplotlib")
    plots.use("Agg")
    for name, value in (("URL", snapshot_site), ("USER", "anna"), ("PASSWORD", "testing it")):
        monkeypatch.setenv(f"BROKER_{name}", value)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)  # noqa: S102 - our own documentation
    # What a reader ends with: points in several bands, one line of the plot for each.
    assert len(names["points"]) > 20
    assert len(names["axes"].containers) == names["points"]["band"].nunique() > 2
    assert str(names["chosen"]) in names["axes"].get_title()
    names["plt"].close("all")


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == ["light-curve.ipynb"]
