"""The enrichments of the platform, in one plan. A new one is a class in its package, and a line here."""

from __future__ import annotations

from broker_assets.classifiers.alert_scores import AlertScores
from broker_assets.context import object_context
from broker_assets.context.object_context import ObjectContext
from broker_assets.delivery.outbox import put
from broker_assets.filters.engine.sandbox import Limits, Sandbox
from broker_assets.filters.matching import FilterMatches
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.settings import Settings
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.enrichment import EnrichmentPlan


def enrichment_plan(settings: Settings) -> EnrichmentPlan:
    """The plan of all enrichments, with new instances: a long-running process keeps its own."""
    sky = SkyMatching(settings.sky)
    return EnrichmentPlan(
        [
            sky,
            ObjectContext.of(settings.context, settings.catalogue_folder),
            ObjectFeatures.of(settings.features),
            AlertScores(settings.classifier_folder, object_context.ASSET, settings.classifiers.seconds),
            filter_matches(settings, sky),
        ]
    )


def filter_matches(settings: Settings, sky: SkyMatching) -> FilterMatches:
    """The enrichment that runs filters, in a sandbox of its own."""
    chosen = settings.filters
    limits = Limits(
        memory=chosen.memory,
        address_space=chosen.address_space,
        threads=chosen.threads,
        statement_seconds=chosen.statement_seconds,
        seconds=chosen.batch_seconds,
    )
    return FilterMatches(
        sky.matches, Sandbox(limits), put, per_batch=chosen.matches_per_batch, late_days=chosen.late_days
    )
