"""The alert stream: streams, nights, their checks, and the runs that drain and check."""

from __future__ import annotations

from functools import partial

from dagster import Definitions

from broker_assets.assets.alerts.nights import build_alert_assets
from broker_assets.assets.alerts.streams import alert_streams
from broker_assets.checks.alerts import NIGHT_CHECKS, ledger
from broker_assets.checks.definition import live_evaluations, night_definition, stream_definition
from broker_assets.jobs.acknowledge_gaps import build_acknowledge_gaps
from broker_assets.jobs.check_nights import build_check_nights, check_config
from broker_assets.jobs.drain import build_drain_job
from broker_assets.sensors.kafka_lag import build_kafka_lag
from broker_assets.sensors.schedules import build_nightly_checks
from broker_assets.settings import Settings
from broker_assets.stream.enrichment import EnrichmentPlan


def definitions(settings: Settings, plan: EnrichmentPlan) -> Definitions:
    """What there is of the alert stream."""
    streams = settings.streams
    drain = build_drain_job(settings, plan, partial(live_evaluations, NIGHT_CHECKS, ledger.STREAM_CHECKS))
    checked = build_check_nights(NIGHT_CHECKS)
    return Definitions(
        assets=[*alert_streams(settings), *build_alert_assets(streams, plan)],
        asset_checks=[
            *(night_definition(check) for check in NIGHT_CHECKS),
            *(stream_definition(check, stream.name) for stream in streams for check in ledger.STREAM_CHECKS),
        ],
        jobs=[drain, checked, build_acknowledge_gaps(ledger.ACKNOWLEDGED)],
        sensors=[build_kafka_lag(streams, drain)],
        schedules=[build_nightly_checks(checked, check_config)],
    )
