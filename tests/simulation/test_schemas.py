"""Rubin's alert schemas, as the simulator finds them."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source
from broker_assets.simulation import Survey, schemas

SMALL: dict[str, Any] = {"objects": 400, "nights": 2, "history": 12, "cutouts": "none"}


def test_an_unknown_version_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"11\.1"):
        Survey(schema="99.9")


def test_missing_schemas_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])  # where packages are looked for
    with pytest.raises(schemas.SchemasNotInstalled, match="pip install lsst-alert-packet"):
        Survey()


def test_schemas_can_be_copied_for_a_reader(tmp_path: Any) -> None:
    survey = Survey(schema="9.0", **SMALL)
    survey.copy_schemas(tmp_path)
    decoder = AlertDecoder("rubin", "confluent", schema_source(schemas=tmp_path))
    alert = next(survey.alerts())
    assert len(decoder.identify([alert.payload])) == 1
