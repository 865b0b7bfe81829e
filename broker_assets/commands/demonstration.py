"""The settings of the demonstration, for commands that are run next to it."""

from __future__ import annotations

from broker_assets.local import demo_settings


def adopt() -> None:
    """Give this process, and those it starts, the demonstration's settings if they apply; see `local.demo_settings`."""
    demo_settings.adopt()
