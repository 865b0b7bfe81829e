"""The one class that they import."""

from __future__ import annotations

from tom_rows import Model


class Target(Model, table="tom_targets_target"):
    """Target."""
