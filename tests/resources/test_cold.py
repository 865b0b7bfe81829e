"""The cold store as a resource."""

from __future__ import annotations

from broker_assets.resources.cold import Cold
from broker_assets.resources.database import Database
from broker_assets.settings import Settings


def test_the_store_of_the_settings() -> None:
    settings = Settings.model_validate(
        {
            "cold": {
                "warehouse_url": "s3://bucket/cold",
                "catalogue_url": "https://catalogue.example",
                "catalogue_options": {"token": "hidden"},
            }
        }
    )
    cold = Cold.of(settings)
    store = cold.store(Database("postgresql+psycopg://somewhere/else"))
    assert (store.warehouse, store.catalogue_url) == ("s3://bucket/cold", "https://catalogue.example")
    assert store.options == {"token": "hidden"}
    assert "hidden" not in repr(cold)
