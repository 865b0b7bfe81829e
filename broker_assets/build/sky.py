"""The sky: TNS, watchlists, areas and sky maps, their indices, files and hits, and notices of events."""

from __future__ import annotations

from dagster import AssetsDefinition, AssetSelection, Definitions, define_asset_job

from broker_assets.assets.sky.areas import build_area_assets
from broker_assets.assets.sky.hits import build_hit_assets
from broker_assets.assets.sky.lists import build_lists
from broker_assets.assets.sky.object_links import build_link_asset
from broker_assets.assets.sky.sky_maps import build_sky_map_assets
from broker_assets.assets.sky.tns import build_tns_assets
from broker_assets.assets.sky.watchlists import build_watchlist_assets
from broker_assets.checks.sky import build_sky_checks
from broker_assets.jobs.notices import build_read_notices
from broker_assets.resources.tns import Tns
from broker_assets.sensors.lists import build_lists_sensor
from broker_assets.sensors.notices import build_notices
from broker_assets.sensors.tns import build_tns_cadence
from broker_assets.settings import Settings
from broker_assets.stream.notices import notice_topics

MATCHED = ("active_lists", "cone_index", "area_index", "rematched_lists")
"""Assets that follow a changed list; the job makes them in one run."""
INDICES = ("cone_index", "area_index")


def definitions(settings: Settings) -> Definitions:
    """Definitions of the sky."""
    assets = [
        *build_lists(),
        *build_tns_assets(settings.limits, promised=settings.tns.key is not None),
        *build_watchlist_assets(settings.sky, settings.mocs),
        *build_area_assets(settings.sky),
        *build_sky_map_assets(),
        *build_hit_assets(),
        build_link_asset(settings.links.radius),
    ]
    code_versions = {
        spec.key.to_user_string(): spec.code_version or ""
        for made in assets
        if isinstance(made, AssetsDefinition)
        for spec in made.specs
    }
    fetch_tns = define_asset_job(
        "fetch_tns",
        selection=AssetSelection.assets("crossmatch_tns"),
        description="Fetches the bulk files of TNS that are due, and applies their differences to the table.",
    )
    match_lists = define_asset_job(
        "match_lists",
        selection=AssetSelection.assets(*MATCHED),
        description="Updates the indices after lists have changed, and matches stored objects with these lists.",
    )
    topics = notice_topics(settings)
    read_notices = build_read_notices(topics, settings.attempts)
    return Definitions(
        assets=assets,
        asset_checks=build_sky_checks(settings.sky),
        jobs=[fetch_tns, match_lists, read_notices],
        sensors=[
            build_lists_sensor(settings.sky, match_lists, {name: code_versions[name] for name in INDICES}),
            build_tns_cadence(fetch_tns, configured=not Tns.of(settings).missing),
            build_notices(list(topics), read_notices),
        ],
    )
