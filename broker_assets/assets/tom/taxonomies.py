"""The taxonomies in force: an asset for each campaign, on which roll-ups, metrics and views depend.

`tom.taxonomy` reads and stores versions of a taxonomy; the sensor `fact_inputs` reports which version is in force.
"""

from typing import Any, Final

import psycopg
from dagster import AssetSpec

from broker_assets.assets.labels import FACT_INPUT_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry
from broker_assets.database.tables.tom import taxonomy_classes
from broker_assets.provenance import versions

FIRST_TAXONOMY: Final = "elasticc_taxonomy"
SECOND_TAXONOMY: Final = "elasticc2_taxonomy"
TAXONOMIES: Final = {"elasticc": FIRST_TAXONOMY, "elasticc2": SECOND_TAXONOMY}
"""Asset of each taxonomy, by name."""


def taxonomy_specs() -> list[AssetSpec]:
    """The assets."""
    return [
        AssetSpec(
            asset,
            group_name="tom",
            kinds={"postgres"},
            **labels(STREAM_OPERATORS, survey="elasticc", level="input", family="alerts", store="postgres"),
            **about(
                f"Classes of the taxonomy {name} that is in force, and the models of the simulation that each is right "
                "for. Another version makes the roll-ups, metrics and views that were made from this one stale.",
                FACT_INPUT_OBSERVER,
                table_metadata(taxonomy_classes),
            ),
        )
        for name, asset in TAXONOMIES.items()
    ]


def taxonomy_entries(connection: psycopg.Connection[Any]) -> list[Entry]:
    """The versions that are in force."""
    rows = connection.execute(
        "SELECT taxonomy, version, digest FROM taxonomy_versions WHERE in_force ORDER BY taxonomy"
    ).fetchall()
    return [
        Entry(
            versions.Artefact(asset=TAXONOMIES[name], partition="", data_version=digest), metadata={"version": number}
        )
        for name, number, digest in rows
        if name in TAXONOMIES
    ]
