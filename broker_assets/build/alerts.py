"""The alert stream: streams, nights, their checks, and the runs that drain and check."""

from __future__ import annotations

from functools import partial

from dagster import Definitions, define_asset_job

from broker_assets.assets.alerts.catalogues import build_catalogues
from broker_assets.assets.alerts.cold import DETACHED, PROVEN, build_cold_assets
from broker_assets.assets.alerts.hats import build_hats_asset
from broker_assets.assets.alerts.nights import build_alert_assets, input_files
from broker_assets.assets.alerts.statistics import build_statistics_asset
from broker_assets.assets.alerts.streams import alert_streams
from broker_assets.checks.alerts import NIGHT_CHECKS, ledger
from broker_assets.checks.definition import live_evaluations, night_definition, stream_definition
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ASSET as CONTEXT
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.jobs.acknowledge_gaps import build_acknowledge_gaps
from broker_assets.jobs.check_nights import build_check_nights, check_config
from broker_assets.jobs.compare_catalogues import build_compare_catalogues
from broker_assets.jobs.drain import build_drain_job
from broker_assets.jobs.rebuild_statistics import build_rebuild_statistics
from broker_assets.sensors.canary import build_canary
from broker_assets.sensors.catalogues import build_catalogues_sensor
from broker_assets.sensors.fact_inputs import build_fact_inputs
from broker_assets.sensors.kafka_lag import build_kafka_lag
from broker_assets.sensors.schedules import build_move_months, build_nightly_checks
from broker_assets.settings import Settings
from broker_assets.stream.enrichment import EnrichmentPlan


def definitions(settings: Settings, plan: EnrichmentPlan) -> Definitions:
    """Definitions of the alert stream."""
    streams = settings.streams
    canary_plan = enrichment_plan(settings.model_copy(update={"sky_folder": settings.sky / "canary"}))
    live = partial(live_evaluations, NIGHT_CHECKS, ledger.STREAM_CHECKS)
    drain = build_drain_job(settings, plan, live, canary_plan)
    checked = build_check_nights(NIGHT_CHECKS)
    in_force = CataloguesInForce(settings.catalogue_folder, settings.context.rules)
    moved = define_asset_job("move_months", [PROVEN, DETACHED], description="Moves old months out of the database.")
    compared = build_compare_catalogues(in_force, plan.readers(CONTEXT))
    return Definitions(
        assets=[
            *alert_streams(settings),
            *input_files(plan),
            *build_catalogues(settings.catalogue_folder),
            *build_alert_assets(streams, plan),
            build_statistics_asset(),
            *build_cold_assets(settings),
            build_hats_asset(settings),
        ],
        asset_checks=[
            *(night_definition(check) for check in NIGHT_CHECKS),
            *(stream_definition(check, stream.name) for stream in streams for check in ledger.STREAM_CHECKS),
        ],
        jobs=[
            *(drain, checked, compared, moved, build_rebuild_statistics(settings.features)),
            build_acknowledge_gaps(ledger.ACKNOWLEDGED),
        ],
        sensors=[
            build_kafka_lag(streams, drain, settings.canary.stream),
            build_fact_inputs(plan),
            build_catalogues_sensor(settings.catalogue_folder, in_force, compared),
            *([build_canary(settings)] if settings.canary.stream is not None else []),
        ],
        schedules=[
            build_nightly_checks(checked, check_config),
            build_move_months(moved, wanted=settings.cold.detach),
        ],
    )
