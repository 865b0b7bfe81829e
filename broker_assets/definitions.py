"""The code location that Dagster loads."""

from broker_assets.build import build_defs

defs = build_defs()
