"""Plans of nights: wanted spectra at every observatory, stored with their versions."""

import datetime
from collections.abc import Iterator
from typing import Any, Final

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, ResourceParam, asset

from broker_assets.assets.labels import PLANNING, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.tom.survey import SURVEY
from broker_assets.database.tables.tom import spectrum_night_plans
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.tom.spectra.night_plans import PLANS_VERSION, keep_plans

PLANS: Final = "spectrum_night_plans"


def build_night_plans(settings: Settings) -> AssetsDefinition:
    """The asset."""

    @asset(
        name=PLANS,
        partitions_def=nights,
        deps=[SURVEY],
        group_name="tom",
        kinds={"postgres"},
        code_version=PLANS_VERSION,
        **labels(STREAM_OPERATORS, survey="elasticc", level="facts", family="alerts", store="postgres"),
        **about(
            "Wanted spectra, ranked and scheduled for a night at each observatory: by priority, airmass, twilight and "
            "the Moon. A plan that differs from the one before is kept as the next version.",
            PLANNING,
            table_metadata(spectrum_night_plans),
        ),
    )
    def night_plans(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        run_id = context.run.run_id
        with database.transaction() as connection:
            kept = keep_plans(
                connection, datetime.date.fromisoformat(night), run_id=run_id,
                zero_point=settings.tom.magnitude_zero_point,
            )  # fmt: skip
            survey = versions.recorded(connection, [(SURVEY, "")])
        inputs = tuple(
            versions.Input(asset=SURVEY, partition="", data_version=found.data_version) for found in survey.values()
        )
        artefact = versions.Artefact(
            asset=PLANS, partition=night, data_version=kept.data_version, code_version=PLANS_VERSION, inputs=inputs
        )
        lines = ["| observatory | spectra |", "|---|---|", *(f"| {one} | {n} |" for one, n in kept.slots.items())]
        metadata = {
            "dagster/row_count": len(kept.slots), "new plans": kept.new, "plans": MetadataValue.md("\n".join(lines)),
        }  # fmt: skip
        reporter = Reporter(context.instance, database, context.log, run_id=run_id)
        yield from reporter.made(Entry(artefact, metadata=metadata))

    return night_plans  # type: ignore[no-any-return]
