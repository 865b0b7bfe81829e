"""Puts the platform together: assets, checks, jobs, sensors, schedules, resources.

Nothing is implemented here. `build_defs` makes fresh definitions each time, so that a test replaces a resource or a
setting in one argument. It opens no connection and needs no service: definitions load on any machine.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from dagster import (
    AssetSelection,
    BetaWarning,
    Definitions,
    PreviewWarning,
    define_asset_job,
    in_process_executor,
)

from broker_assets.assets.alerts.nights import build_alert_assets
from broker_assets.assets.alerts.streams import alert_streams
from broker_assets.assets.maintenance import build_maintenance_assets
from broker_assets.assets.published_files import build_published_files
from broker_assets.assets.sky.areas import build_area_assets
from broker_assets.assets.sky.hits import build_hit_assets
from broker_assets.assets.sky.sky_maps import build_sky_map_assets
from broker_assets.assets.sky.tns import build_tns_assets
from broker_assets.assets.sky.watchlists import build_watchlist_assets
from broker_assets.assets.telemetry.folders import folder_key, telemetry_folders
from broker_assets.assets.telemetry.inputs import build_telemetry_inputs
from broker_assets.assets.telemetry.products import build_telemetry_products
from broker_assets.assets.telemetry.register import telemetry_register
from broker_assets.automation import automation_sensor
from broker_assets.checks.alerts import columns, ledger, unusual_nights
from broker_assets.checks.definition import NightCheck, live_evaluations, night_definition, stream_definition
from broker_assets.checks.publication import build_receipts_check, day_evaluations, day_result
from broker_assets.checks.sky import build_sky_checks
from broker_assets.checks.telemetry import build_telemetry_checks
from broker_assets.jobs.acknowledge_gaps import build_acknowledge_gaps
from broker_assets.jobs.check_nights import build_check_nights, check_config
from broker_assets.jobs.check_telemetry import build_check_telemetry
from broker_assets.jobs.drain import build_drain_job
from broker_assets.jobs.publication import build_mirror_job, build_publish_job
from broker_assets.jobs.receive_telemetry import build_ingest_telemetry
from broker_assets.resources.database import Database
from broker_assets.resources.decoders import Decoders
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.resources.tns import Tns
from broker_assets.sensors.alerting import build_alerting
from broker_assets.sensors.code_versions import build_code_versions
from broker_assets.sensors.kafka_lag import build_kafka_lag
from broker_assets.sensors.lists import build_lists
from broker_assets.sensors.notices import build_notices, build_read_notices
from broker_assets.sensors.publication import (
    build_mirror_schedule,
    build_publish_schedule,
    build_telemetry_checks_schedule,
)
from broker_assets.sensors.schedules import build_daily_maintenance, build_nightly_checks
from broker_assets.sensors.telemetry.arrivals import build_telemetry_files
from broker_assets.sensors.telemetry.due_products import build_daily_products
from broker_assets.sensors.telemetry.inputs import build_telemetry_inputs_sensor
from broker_assets.sensors.tns import build_tns_cadence
from broker_assets.settings import Settings, load_settings
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.enrichments import enrichment_plan
from broker_assets.telemetry.archive.due_products import ANCILLARY, PICTURES

NIGHT_CHECKS: Sequence[NightCheck] = (*ledger.NIGHT_CHECKS, *columns.NIGHT_CHECKS, *unusual_nights.NIGHT_CHECKS)
"""Every check of nights."""


def build_defs(
    *,
    settings: Settings | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
    plan: EnrichmentPlan | None = None,
) -> Definitions:
    """Make the definitions of the platform.

    Parameters
    ----------
    settings : Settings, optional
        Those of this process, if not given.
    resource_overrides : mapping of str to object, optional
        Resources that take the place of ours, by name (`database`, `kafka`, `object_store`, `decoders`, `notifier`,
        `publisher`, `telemetry`, `tns`, `notice_kafka`).
    plan : EnrichmentPlan, optional
        Enrichments of alerts; all that the platform has, if not given.

    Raises
    ------
    ValueError
        If an override has a name that no resource has.
    """
    settings = settings if settings is not None else load_settings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        warnings.simplefilter("ignore", BetaWarning)
        return _definitions(settings, resources(settings, resource_overrides or {}), plan)


def resources(settings: Settings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The resources by name."""
    database = overrides.get("database") or Database.of(settings)
    telemetry = overrides.get("telemetry") or Telemetry.of(settings)
    ours: dict[str, Any] = {
        "database": database,
        "kafka": Kafka(settings.kafka),
        "object_store": ObjectStore.of(settings),
        "decoders": Decoders(settings),
        "notifier": Notifier.of(settings, database),
        "publisher": Publisher.of(settings, telemetry),
        "telemetry": telemetry,
        "tns": Tns.of(settings),
        "notice_kafka": Kafka(settings.notices.kafka if settings.notices.kafka.bootstrap_servers else settings.kafka),
    }
    unknown = overrides.keys() - ours.keys()
    if unknown:
        raise ValueError(f"no resource is called {', '.join(sorted(unknown))}; known: {', '.join(ours)}")
    return ours | dict(overrides)


def _definitions(settings: Settings, resources: Mapping[str, Any], plan: EnrichmentPlan | None) -> Definitions:
    plan = plan or enrichment_plan(settings)
    alerts = build_alert_assets(settings.streams, plan)
    lists = [
        *build_tns_assets(),
        *build_watchlist_assets(settings.sky, settings.mocs),
        *build_area_assets(settings.sky),
        *build_sky_map_assets(),
        *build_hit_assets(),
    ]
    products = [build_telemetry_inputs(), *build_telemetry_products(settings.telemetry.versions)]
    published = build_published_files(day_result)
    code_versions = {
        spec.key.to_user_string(): spec.code_version
        for made in (*alerts, *lists, *products, published)
        for spec in made.specs
        if spec.code_version
    }
    night_checks = [night_definition(check) for check in NIGHT_CHECKS]
    stream_checks = [
        stream_definition(check, stream.topic) for stream in settings.streams for check in ledger.STREAM_CHECKS
    ]
    drain = build_drain_job(settings, plan, partial(live_evaluations, NIGHT_CHECKS, ledger.STREAM_CHECKS))
    checked = build_check_nights(NIGHT_CHECKS)
    maintenance = define_asset_job("maintenance", selection=AssetSelection.assets("pruned_event_log"))
    fetch_tns = define_asset_job("fetch_tns", selection=AssetSelection.assets("crossmatch_tns"))
    match_lists = define_asset_job(
        "match_lists", selection=AssetSelection.assets("active_lists", "cone_index", "area_index", "rematched_lists")
    )
    list_files = [
        define_asset_job(f"{name}_files", selection=AssetSelection.assets(name))
        for name in ("watchlist", "area", "sky_map")
    ]
    read_notices = build_read_notices(settings.notices.topic)
    # Without folders to watch there is nothing to start.
    receiving = [build_ingest_telemetry(settings.telemetry)] if Telemetry.of(settings).watched else []
    publish, mirror = build_publish_job(day_evaluations), build_mirror_job()
    check_telemetry = build_check_telemetry(settings)
    daily_products = define_asset_job("daily_products", selection=AssetSelection.assets(PICTURES, ANCILLARY))
    return Definitions(
        assets=[
            *alert_streams(settings.streams),
            *alerts,
            *lists,
            telemetry_register(folder_key(url) for url in settings.telemetry.incoming),
            *products,
            published,
            *telemetry_folders(settings.telemetry),
            *build_maintenance_assets(),
        ],
        asset_checks=[
            *night_checks,
            *stream_checks,
            *build_sky_checks(settings.sky),
            *build_telemetry_checks(settings),
            build_receipts_check(),
        ],
        jobs=[
            drain,
            checked,
            maintenance,
            build_acknowledge_gaps(ledger.ACKNOWLEDGED),
            fetch_tns,
            match_lists,
            *list_files,
            read_notices,
            *receiving,
            publish,
            mirror,
            check_telemetry,
            daily_products,
        ],
        sensors=[
            automation_sensor,
            build_kafka_lag(settings.streams, drain),
            build_alerting(),
            build_code_versions(code_versions),
            build_lists(settings.sky, match_lists, list_files, code_versions),
            build_tns_cadence(fetch_tns),
            build_telemetry_inputs_sensor(),
            build_daily_products(daily_products),
            *(build_telemetry_files(ingest) for ingest in receiving),
            build_notices(settings.notices.topic, read_notices),
        ],
        schedules=[
            build_nightly_checks(checked, check_config),
            build_daily_maintenance(maintenance),
            build_publish_schedule(publish),
            build_mirror_schedule(mirror),
            build_telemetry_checks_schedule(check_telemetry),
        ],
        resources=dict(resources),
        # A process per step costs three seconds and 100 MB; jobs that fan out say so themselves.
        executor=in_process_executor,
    )
