"""The catalogues of a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.api.lasair.catalogues import Catalogues, NoCataloguesError
from broker_assets.context.store import CatalogueStore
from broker_assets.settings import Settings


def test_catalogues_that_are_loaded_later_are_found(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalogues = Catalogues(settings)
    with pytest.raises(NoCataloguesError, match="no catalogues"):
        catalogues.context_at(10.0, 20.0, epoch=2026.0)
    (tmp_path / "vsx.csv").write_text("identifier,ra,dec\nV1,10.0,20.0\n")
    CatalogueStore(settings.catalogue_folder).add("vsx", tmp_path / "vsx.csv")
    assert catalogues.context_at(10.0, 20.0, epoch=2026.0).classification == "VS"


def test_rules_that_cannot_be_read_are_no_fault_of_the_request(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    rules = settings.context.model_copy(update={"rules": tmp_path / "none.yaml"})
    with pytest.raises(NoCataloguesError, match="at the moment"):
        Catalogues(settings.model_copy(update={"context": rules})).context_at(10.0, 20.0, epoch=2026.0)
