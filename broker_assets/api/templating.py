"""Templates of the pages; what they show is escaped."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

templates = Environment(
    loader=PackageLoader("broker_assets.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
"""Templates of this package."""
