"""`broker-assets classifiers`, as a user calls it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_classifiers import stamped, tiny
from typer.testing import CliRunner, Result

from broker_assets.commands.classifiers import app
from broker_assets.settings import load_settings

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_a_classifier_from_its_files_to_its_end(run: Run, tmp_path: Path) -> None:
    assert "There are no classifiers" in run("list").output
    added = run("add", tiny(tmp_path / "tiny"))
    assert added.exit_code == 0, added.output
    assert "tiny 1, active" in added.output
    assert "reprocess --stale" in added.output
    assert "not active" in run("add", tiny(tmp_path / "second", seed=2, version="2"), "--no-activate").output
    run("add", stamped(tmp_path / "stamped"))
    listed = run("list").output
    assert listed.count("tiny") >= 2
    assert "stamps" in listed
    shown = run("show", "tiny").output
    for text in ("features.ngsources", "brighter than others", "add up to 1", "A model for tests."):
        assert text in shown
    assert "6 × 6 pixels" in run("show", "stamps").output
    assert "2 is active from now on" in run("activate", "tiny", "2").output
    assert "Removed: tiny 1" in run("remove", "tiny", "1").output
    assert "scores no alerts" in run("activate", "tiny", "--off").output
    assert "Removed: tiny 2" in run("remove", "tiny").output


def test_what_is_wrong_is_said(run: Run, tmp_path: Path) -> None:
    refused = run("add", tmp_path)
    assert refused.exit_code == 2
    assert "has no model.onnx" in refused.output
    for arguments in (("show", "x"), ("remove", "x"), ("activate", "x", "1")):
        assert "there is no classifier 'x'" in run(*arguments).output
    assert "name a version, or --off" in run("activate", "x").output
