"""The code location that Dagster loads."""

from broker_assets.build import automated, build_defs, code_versions
from broker_assets.resources.database import Database
from broker_assets.sensors.code_versions import record_loaded
from broker_assets.settings import load_settings

defs = build_defs()
record_loaded(code_versions(defs), automated(defs), Database.of(load_settings()))
